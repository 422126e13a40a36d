"""Owns how events become rows: numbered, encoded, and fanned out into deliveries."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import msgspec

from tracker.core.deliveries.fan_out import Subscription, fan_out, stream_of
from tracker.core.events.event import Event, encode_event, parse_iso
from tracker.core.events.progress_delta import shortened
from tracker.core.silences.silence import Silence
from tracker.core.silences.silencing import silencing
from tracker.store.records.duration_conversion import milliseconds
from tracker.store.records.stored_events import short_id

EventRow = tuple[int, str, str, str, str | None, int, str, bool, str, int | None]
"""seq, id, type, account, job, created_at, observed_at, backfilled, body, base"""

DeliveryRow = tuple[str, int, str, str, int, str | None]
"""receiver, seq, stream, type, due_at, and the id of the silence that keeps it"""


class Base(NamedTuple):
    """A whole event: its seq and its JSON."""

    seq: int
    body: str


class LogEntry(NamedTuple):
    """An event to be logged, and its job's id; one that is `backfilled` becomes no delivery.

    The receivers in `also` get it whatever their filters. It may be stored in its short form by `base`, the last whole event of
    its job.
    """

    event: Event
    job: str | None
    backfilled: bool = False
    also: Collection[str] = ()
    base: Base | None = None


class Appended(NamedTuple):
    """The seq of the first event that was appended, the receivers of their deliveries, and the numbered events.

    `silenced` is how many deliveries to each receiver are silenced.
    """

    first_seq: int
    receivers: set[str]
    entries: Sequence[LogEntry]
    silenced: Mapping[str, int] = {}


def appended_rows(first_seq: int, entries: Sequence[LogEntry], rows: Iterable[DeliveryRow]) -> Appended:
    """What appending the numbered `entries` with these deliveries comes to."""
    receivers, silenced = set[str](), Counter[str]()
    for receiver, *_, silence in rows:
        if silence is None:
            receivers.add(receiver)
        else:
            silenced[receiver] += 1
    return Appended(first_seq, receivers, entries, silenced)


def numbered(entries: Iterable[LogEntry], first_seq: int) -> list[LogEntry]:
    """The entries with their events numbered from `first_seq` on."""
    return [entry._replace(event=msgspec.structs.replace(entry.event, seq=seq)) for seq, entry in enumerate(entries, first_seq)]


def event_row(entry: LogEntry) -> EventRow:
    """The row of an event, in its short form where it has one."""
    event, base = entry.event, entry.base
    delta = shortened(event, base.body) if base else None
    id_, body = (event.id, encode_event(event)) if delta is None else (short_id(event.id), delta)
    return (
        event.seq, id_, event.type, event.account, entry.job, event.created_at, event.observed_at, entry.backfilled,
        body, base.seq if base and delta else None,
    )  # fmt: skip


def delivery_rows(
    subscriptions: Iterable[Subscription], entries: Iterable[LogEntry], silences: Sequence[Silence], now: int
) -> Iterator[DeliveryRow]:
    """A row for each receiver of each entry that is not backfilled; some are silenced at `now` (Unix milliseconds)."""
    moment_of = cache(parse_iso)  # what is recorded together was mostly observed together
    for event, also in ((entry.event, entry.also) for entry in entries if not entry.backfilled):
        for subscription in fan_out(subscriptions, event, also):
            due_at = moment_of(event.observed_at) + milliseconds(subscription.delay)
            silence = silencing(silences, subscription, event, now) if silences else None
            id_ = silence.id if silence else None
            yield subscription.receiver, event.seq, stream_of(event), event.type, due_at, id_
