"""Owns the Event: one thing that happened, never changed once it is logged, and its JSON, which is the same everywhere."""

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from tracker.core.jobs.job import Job
from tracker.core.jobs.size_limits import omitted, size_of
from tracker.core.text.escaping import escape_json
from tracker.core.text.one_line import truncate

_encode: Final = msgspec.json.Encoder().encode

MAX_EVENT_BYTES: Final = 64 * 1024
"""Bytes of JSON."""

_ENVELOPE_BYTES: Final = 1024
"""An upper bound of what an event takes without its account, its changes and its data."""

_MAX_TEXT: Final = 2000
"""Characters of a text about an account or a receiver."""

Outcome = Literal["success", "partial", "all_failed", "empty"]
Changes = dict[str, tuple[Any, Any]]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event, its fields in the order of its JSON.

    `seq` is 0 until the event is logged. `created_at` is whole Unix seconds, by the provider's clock where the provider gives
    the time; `timestamp` is the same as ISO 8601; `observed_at` is by our clock. `changes` maps a property to its value before
    and after, or to the sizes of the values if the event would be too large. `eta` is the estimated end of the job, on a
    `batch.progress` for which there is an estimate.
    """

    id: str
    object: Literal["event"] = "event"
    type: str
    seq: int = 0
    account: str
    created_at: int
    timestamp: str
    observed_at: str
    changes: Changes
    eta: str | UnsetType = UNSET
    outcome: Outcome | UnsetType = UNSET
    data: dict[str, Any]


def batch_event(type_: str, account: str, job: Job, changes: Changes, now: int, *, happened_at: int | None = None) -> Event:
    """Make the event `type_` of `job`, observed at `now` (Unix milliseconds)."""
    created_at = now // 1000 if happened_at is None else happened_at
    data = job.to_data()
    id_, size = _identified(account, type_, now, changes, data)
    return Event(
        id=id_,
        type=type_,
        account=account,
        created_at=created_at,
        timestamp=iso(created_at * 1000),
        observed_at=iso(now),
        changes=_shortened(changes, size + _ENVELOPE_BYTES - MAX_EVENT_BYTES),
        outcome=outcome(job) if type_ == "batch.completed" else UNSET,
        data=data,
    )


def encode_event(event: Event) -> str:
    """The event's JSON as it is logged and sent: every attempt sends the same bytes.

    It is escaped once, here, so that every surface and every copy of the database has the same harmless text. Escaping does not
    change the value.
    """
    return escape_json(_encode(event).decode())


def plain_event(type_: str, account: str, data: dict[str, Any], now: int) -> Event:
    """Make an event that is about no job: an account, or a receiver (then `account` is empty)."""
    data = {name: truncate(value, _MAX_TEXT) if isinstance(value, str) else value for name, value in data.items()}
    return Event(
        id=_identified(account, type_, now, data)[0],
        type=type_,
        account=account,
        created_at=now // 1000,
        timestamp=iso(now),
        observed_at=iso(now),
        changes={},
        data=data,
    )


def outcome(job: Job) -> Outcome:
    """What a SUCCESS means by the counters: the status alone does not say that any request succeeded."""
    return outcome_of_counts(job.total_requests, job.succeeded_requests)


def outcome_of_counts(total: int, succeeded: int) -> Outcome:
    """The outcome of a SUCCESS by its counters."""
    if total == 0:
        return "empty"
    if succeeded >= total:
        return "success"
    return "partial" if succeeded else "all_failed"


def iso(milliseconds: int) -> str:
    """Unix milliseconds as ISO 8601 in UTC, to the millisecond: 2025-06-25T14:20:10.000Z."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> int:
    """Unix milliseconds of a text that `iso` wrote."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _shortened(changes: Changes, excess: int) -> Changes:
    """`changes` without its largest values, each replaced by its size, until `excess` bytes are saved."""
    if excess <= 0:
        return changes
    pairs = {name: [*pair] for name, pair in changes.items()}
    for size, name, side in sorted(((size_of(pair[side]), name, side) for name, pair in pairs.items() for side in (0, 1)))[
        ::-1
    ]:
        if excess <= 0:
            break
        pairs[name][side] = omitted(size)
        excess -= size - size_of(pairs[name][side])
    return {name: (was, is_) for name, (was, is_) in pairs.items()}


def _identified(*parts: Any) -> tuple[str, int]:
    """The id of an event, and the bytes that its parts take as JSON.

    The id is a hash of the parts, so that the core needs no randomness: two events never agree in all of them.
    """
    encoded = msgspec.json.encode(parts)
    return "evt_" + blake2b(encoded, digest_size=16).hexdigest(), len(encoded)
