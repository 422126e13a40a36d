"""Owns listing events that were moved out of the log into segments: they come before the log, as if they still were in it."""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from tracker.core.queries.filters import EventFilter, read_facts
from tracker.daemon.database_address import configured_segments
from tracker.store.address import DatabaseAddress
from tracker.store.database_file_commands import read_segments

Archive = Callable[[int], Iterator[tuple[int, str]]]
"""The archived events after a seq: seq and JSON, in the log's order."""


def open_archive(database: DatabaseAddress, config: str | None) -> Archive:
    """The archive of the configured database; PostgreSQL has none, and keeps all events."""
    segments = configured_segments(config)
    if segments is None or not isinstance(database, Path):
        return lambda _after: iter(())
    return lambda after: read_segments(database, segments, after)


def last_matching(events: Iterator[tuple[int, str]], before: int, which: EventFilter, limit: int) -> list[tuple[int, str]]:
    """The last `limit` of the events that the filter matches, up to the seq `before`, in the log's order."""
    matches = which.matcher()
    return list(deque(((seq, body) for seq, body in events if seq < before and matches(read_facts(body))), limit))


def check_after(after: int, first_seq: int) -> None:
    """Raise `ClickException` where events after the seq `after` are in segments alone."""
    if 0 < after < first_seq - 1:
        raise click.ClickException(
            f"--after: found {after}, but the log begins with {first_seq}; with --archive earlier events are listed too"
        )
