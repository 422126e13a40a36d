"""Owns the list of segments: which file has which events, the hash of its content, and the chain of all before it."""

import sqlite3
from collections.abc import Iterator, Sequence
from hashlib import sha256
from itertools import count
from typing import Final, NamedTuple

SUFFIX: Final = ".jsonl.zst"

NO_CHAIN: Final = ""
"""The chain before the first segment."""

_SEGMENTS: Final = "SELECT first_seq, last_seq, name, size, sha256, chain FROM segments WHERE last_seq > ? ORDER BY first_seq"

_INSERT: Final = "INSERT INTO segments (first_seq, last_seq, name, size, sha256, chain) VALUES (?, ?, ?, ?, ?, ?)"


class Written(NamedTuple):
    """What the file of a segment holds; the properties are those of `Segment`."""

    last_seq: int
    size: int
    sha256: str


class Segment(NamedTuple):
    """A row of the list. `size` is the file's, in bytes; `sha256` is of the uncompressed content, a line for each event.

    `chain` proves the content of this segment and of all before it: see `chained`.
    """

    first_seq: int
    last_seq: int
    name: str
    size: int
    sha256: str
    chain: str


def chained(chain: str, content_sha256: str) -> str:
    """The chain of a segment: the SHA-256 of the chain before it and of its content's SHA-256, as hexadecimal text."""
    return sha256(f"{chain}{content_sha256}".encode()).hexdigest()


def following(segments: Sequence[Segment], name: str, written: Written) -> Segment:
    """The segment `name` after these."""
    last_seq, chain = (segments[-1].last_seq, segments[-1].chain) if segments else (0, NO_CHAIN)
    return Segment(last_seq + 1, written.last_seq, name, written.size, written.sha256, chained(chain, written.sha256))


def segments_after(connection: sqlite3.Connection, seq: int = 0) -> list[Segment]:
    """The segments that have events after `seq`, in the log's order."""
    return [Segment(*row) for row in connection.execute(_SEGMENTS, (seq,))]


def insert_segments(connection: sqlite3.Connection, segments: Sequence[Segment]) -> None:
    """Within a transaction: add these to the list."""
    connection.executemany(_INSERT, segments)


def free_name(month: str, taken: set[str]) -> str:
    """The name of the next file of a month, such as "2026-11": 2026-11.jsonl.zst, then 2026-11.2.jsonl.zst."""
    names: Iterator[str] = (f"{month}{'' if part == 1 else f'.{part}'}{SUFFIX}" for part in count(1))
    return next(name for name in names if name not in taken)
