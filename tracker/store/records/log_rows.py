"""Owns how events become rows: numbered, encoded, and fanned out into deliveries."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import msgspec

from tracker.core.deliveries.delivery import Delivery, NewDelivery
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
    """The seq of the first event that was appended, the numbered events, and their deliveries by receiver, in their order.

    `preceded` are the receivers for which something earlier may be pending in the stream of a new delivery, be it from another
    process. `silenced` is how many deliveries to each receiver are silenced, which are not among `deliveries`.
    """

    first_seq: int
    entries: Sequence[LogEntry]
    deliveries: Mapping[str, Sequence[DeliveryRow]] = {}
    silenced: Mapping[str, int] = {}
    preceded: Collection[str] = ()

    def new_deliveries(self, receiver: str) -> Iterator[NewDelivery]:
        """The deliveries of `receiver`, each as a claim would read it."""
        return (_new_delivery(self.entries[row[1] - self.first_seq].event, row) for row in self.deliveries[receiver])


def appended_rows(first_seq: int, entries: Sequence[LogEntry], rows: Iterable[DeliveryRow]) -> Appended:
    """What appending the numbered `entries` with these deliveries comes to."""
    deliveries, silenced = defaultdict[str, list[DeliveryRow]](list), Counter[str]()
    for row in rows:
        receiver, *_, silence = row
        if silence is None:
            deliveries[receiver].append(row)
        else:
            silenced[receiver] += 1
    return Appended(first_seq, entries, deliveries, silenced)


def _new_delivery(event: Event, row: DeliveryRow) -> NewDelivery:
    receiver, seq, stream, type_, due_at, _ = row
    body = encode_event(event)
    delivery = Delivery(receiver=receiver, seq=seq, event_id=event.id, type=type_, stream=stream, attempts=0, body=body)
    return NewDelivery(delivery, due_at)


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
