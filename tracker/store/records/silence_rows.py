"""Owns what a silence is in a row, and the columns from which it is read."""

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from tracker.core.events.event import Event
from tracker.core.silences.silence import Silence
from tracker.core.silences.silence_events import worst_first
from tracker.store.records.log_rows import Appended
from tracker.store.records.stored_events import StoredEvent

COLUMNS: Final = "data, started_at, ended_at"

SilenceRow = tuple[str, int, int, str]
"""id, starts_at, ends_at, data"""


class Advanced(NamedTuple):
    """What a transaction that begins or ends silences has appended, and how many pending deliveries it has silenced.

    These are counted by receiver.
    """

    appended: Appended
    silenced: Counter[str]


def silence_row(silence: Silence) -> SilenceRow:
    return silence.id, silence.starts_at, silence.ends_at, encode_silence(silence)


def encode_silence(silence: Silence) -> str:
    return msgspec.json.encode(silence).decode()


def decode_silences(rows: Iterable[tuple[str, int | None, int | None]]) -> tuple[Silence, ...]:
    """The silence of each row of `COLUMNS`."""
    return tuple(decode_silence(*row) for row in rows)


@lru_cache(maxsize=1024)
def decode_silence(data: str, started_at: int | None, ended_at: int | None) -> Silence:
    silence = msgspec.json.decode(data, type=Silence)
    return msgspec.structs.replace(silence, started_at=started_at, ended_at=ended_at)


def events_to_read(types: Iterable[str]) -> list[str]:
    """The types of which a digest names jobs, the worst first."""
    return [type_ for type_ in worst_first(types) if type_.startswith("batch.")]


def decode_events(rows: Iterable[tuple[Any, ...]]) -> list[Event]:
    """The events of rows of `STORED_EVENT`."""
    return [StoredEvent(*row).event() for row in rows]
