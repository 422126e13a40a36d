"""Owns the short form of an event of progress: what differs from an earlier event of its job, the base.

A job that runs for hours has hundreds of these events, and from one to the next four counters change. The short form has these,
the estimated end, and what else of the data differs from the base's, such as a vendor's own counters. The rest of the event
follows: its columns in the log have when it was observed, and its id is a hash of all of it. What is rebuilt is byte for byte
the event's JSON, or the event has no short form.
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec

from tracker.core.events.event import Changes, Event, event_of_data, parse_iso
from tracker.core.jobs.job import COUNTERS
from tracker.core.jobs.native import NATIVE
from tracker.core.text.escaping import escape_json

PROGRESS: Final = "batch.progress"

_encode: Final = msgspec.json.Encoder().encode


class ProgressDelta(msgspec.Struct, frozen=True, array_like=True):
    """The short form; its JSON is a list without the defaults at its end.

    `after` and `before` are the counters in the order of `COUNTERS`. `others` are the other properties, and `native` the values
    of the vendor's object, that the base has not, or with another value.
    """

    after: tuple[int, int, int, int]
    before: tuple[int, int, int, int]
    eta: str | None = None
    native: dict[str, Any] = {}
    others: dict[str, Any] = {}

    def changes(self) -> Changes:
        """As the event has them."""
        pairs = zip(COUNTERS, self.before, self.after, strict=True)
        return {name: (was, is_) for name, was, is_ in pairs if was != is_}

    def encoded(self) -> str:
        """Its JSON."""
        values = [self.after, self.before, self.eta, self.native, self.others]
        while not values[-1]:
            values.pop()
        return escape_json(_encode(values).decode())

    def data(self, base: dict[str, Any]) -> dict[str, Any]:
        """The job's JSON, by that of the base."""
        data = base | dict(zip(COUNTERS, self.after, strict=True)) | self.others
        return data | {NATIVE: base[NATIVE] | self.native} if self.native else data


class Place(NamedTuple):
    """What the columns of the log have of an event."""

    seq: int
    account: str
    observed_at: str


def place_of(event: Event) -> Place:
    return Place(event.seq, event.account, event.observed_at)


_decode_delta: Final = msgspec.json.Decoder(ProgressDelta).decode
_decode_event: Final = msgspec.json.Decoder(Event).decode


@lru_cache(maxsize=1024)  # the jobs that are active come again and again
def _data_of(base: str) -> dict[str, Any]:
    """The data of an event; no caller changes it."""
    return _decode_event(base).data


def shortened(event: Event, base: str) -> str | None:
    """The short form of `event` by the JSON of `base`, an event of the same job; None if it has none."""
    if event.type != PROGRESS or not event.changes.keys() <= {*COUNTERS}:
        return None
    data = _data_of(base)
    delta = _delta(event, data)
    if delta is None or _rebuilt(place_of(event), delta, data) != event:  # the ids are hashes of the bytes of both
        return None
    return delta.encoded()


def rebuilt(place: Place, delta: str, base: str) -> Event:
    """The event at `place`, by its short form and the JSON of its base; raises `msgspec.MsgspecError` if they are none."""
    return _rebuilt(place, _decode_delta(delta), _data_of(base))


def _rebuilt(place: Place, delta: ProgressDelta, base: dict[str, Any]) -> Event:
    event = event_of_data(PROGRESS, place.account, delta.data(base), delta.changes(), parse_iso(place.observed_at))
    return msgspec.structs.replace(event, seq=place.seq, eta=msgspec.UNSET if delta.eta is None else delta.eta)


def _delta(event: Event, base: dict[str, Any]) -> ProgressDelta | None:
    """The short form of `event`, by the data of its base; None if its counters are none."""
    pairs = [event.changes.get(name, (event.data[name],) * 2) for name in COUNTERS]
    if not all(type(value) is int for pair in pairs for value in pair):
        return None
    others = _differing(event.data, base, {*COUNTERS})
    native, native_of_base = others.get(NATIVE), base.get(NATIVE)
    if isinstance(native, dict) and isinstance(native_of_base, dict):
        others = {name: value for name, value in others.items() if name != NATIVE}
        native = _differing(native, native_of_base, ())
    before, after = zip(*pairs, strict=True)
    return ProgressDelta(after, before, event.eta or None, native or {}, others)


def _differing(values: dict[str, Any], base: dict[str, Any], but: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in but and (name not in base or base[name] != value)}
