"""Owns the Event: one thing that happened, never changed once logged, and its JSON, the same on every surface."""

from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from tracker.core.jobs.job import Job
from tracker.core.jobs.size_limits import omitted, size_of
from tracker.core.text.escaping import escape_json
from tracker.core.text.one_line import cut

_encode: Final = msgspec.json.Encoder().encode

LARGEST_EVENT: Final = 64 * 1024
"""Bytes of JSON."""

_REST: Final = 1024
"""Bytes that an event takes besides its account, its changes and its data, and more."""

_LEAST_SPARED: Final = 64
"""Bytes of a value that is worth leaving out."""

_LONGEST_TEXT: Final = 2000
"""Characters of what is said of an account or a receiver."""

Outcome = Literal["success", "partial", "all_failed", "empty"]
Changes = dict[str, tuple[Any, Any]]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event, its fields in the order of its JSON.

    `seq` is 0 until the log has given it its place. `created_at` is whole Unix seconds, by the provider's clock where
    that is known; `timestamp` is the same as ISO 8601; `observed_at` is our clock's. `changes` maps a property to what
    it was and is, or to the sizes of these where the event would be too large. `eta` is when the job will have ended at its
    present pace, on a progress that tells enough.
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
        changes=_shortened(changes, size + _REST - LARGEST_EVENT),
        outcome=outcome(job) if type_ == "batch.completed" else UNSET,
        data=data,
    )


def encode_event(event: Event) -> str:
    """The event's JSON as it is logged and then sent, in every attempt the same bytes.

    It is escaped here, once, so that every surface and every copy of the database has the same harmless text; an escape costs
    nothing where there is nothing to escape, and leaves the value as it is.
    """
    return escape_json(_encode(event).decode())


def plain_event(type_: str, account: str, data: dict[str, Any], now: int) -> Event:
    """Make an event that is about no job: an account, or a receiver (then `account` is empty)."""
    data = {name: cut(value, _LONGEST_TEXT) if isinstance(value, str) else value for name, value in data.items()}
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
    """What a SUCCESS is worth: the status alone does not say that any request succeeded."""
    return worth(job.total_requests, job.succeeded_requests)


def worth(total: int, succeeded: int) -> Outcome:
    """The outcome of so many requests, of which so many succeeded."""
    if total == 0:
        return "empty"
    if succeeded >= total:
        return "success"
    return "partial" if succeeded else "all_failed"


def iso(milliseconds: int) -> str:
    """Unix milliseconds as ISO 8601 in UTC, to the millisecond: 2025-06-25T14:20:10.000Z."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_iso(text: str) -> int:
    """What `iso` made the text of."""
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _shortened(changes: Changes, excess: int) -> Changes:
    """`changes` with so many bytes fewer, if that many can be spared: the largest values give way to their sizes."""
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
    """An id, and how many bytes of JSON the parts are.

    It is derived from what happened, so that the core needs no randomness: two events never agree in all of it.
    """
    encoded = msgspec.json.encode(parts)
    return "evt_" + blake2b(encoded, digest_size=16).hexdigest(), len(encoded)
