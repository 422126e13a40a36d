"""Owns the Event: one thing that happened, never changed once it is logged, and its JSON, which is the same everywhere."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from tracker.core.jobs.job import Job
from tracker.core.jobs.native import MISTRAL, provider_of
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
_BY_FILES: Final[Mapping[tuple[bool, bool], Outcome]] = {
    (True, False): "success",
    (True, True): "partial",
    (False, True): "all_failed",
    (False, False): "empty",
}
"""By whether there is an output file and an error file."""

Changes = dict[str, tuple[Any, Any]]


class Reminder(msgspec.Struct, frozen=True, kw_only=True):
    """What makes an event a reminder: the `number`th of its episode, whose first event was logged at `first_at`.

    `last_at` is when the one before it was logged, be that a reminder or the first event.
    """

    number: int
    first_at: str
    last_at: str

    @classmethod
    def after(cls, last: "Event") -> "Reminder":
        """What the reminder after `last` says, the last event of its episode."""
        before = last.reminder
        if isinstance(before, Reminder):
            return cls(number=before.number + 1, first_at=before.first_at, last_at=last.observed_at)
        return cls(number=1, first_at=last.observed_at, last_at=last.observed_at)

    def is_due(self, every: float, now: int) -> bool:
        """Whether another `every` seconds, counted from the first event, have passed by `now` (Unix milliseconds).

        A clock that was set back by more than that does not keep it silent.
        """
        if not math.isfinite(every):
            return False
        interval, first, last = round(every * 1000), parse_iso(self.first_at), parse_iso(self.last_at)
        return now < last - interval or (now - first) // interval > (last - first) // interval


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event, its fields in the order of its JSON.

    `seq` is 0 until the event is logged. `created_at` is whole Unix seconds, by the provider's clock where the provider gives
    the time; `timestamp` is the same as ISO 8601; `observed_at` is by our clock. `changes` maps a property to its value before
    and after, or to the sizes of the values if the event would be too large. `eta` is the estimated end of the job, on a
    `batch.progress` for which there is an estimate. `files`, `digest`, `usage` and `cost` are the JSON of values of
    `core.results`, on events about a job's results. Only an event that is logged again while an episode lasts has a `reminder`.
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
    files: list[dict[str, Any]] | UnsetType = UNSET
    digest: dict[str, Any] | UnsetType = UNSET
    usage: dict[str, Any] | UnsetType = UNSET
    cost: dict[str, Any] | UnsetType = UNSET
    reminder: Reminder | UnsetType = UNSET
    data: dict[str, Any]


def batch_event(type_: str, account: str, job: Job, changes: Changes, now: int, *, happened_at: int | None = None) -> Event:
    """Make the event `type_` of `job`, observed at `now` (Unix milliseconds)."""
    event = event_of_data(type_, account, job.to_data(), changes, now, happened_at=happened_at)
    return msgspec.structs.replace(event, outcome=outcome(job)) if type_ == "batch.completed" else event


def event_of_data(
    type_: str, account: str, data: dict[str, Any], changes: Changes, now: int, *, happened_at: int | None = None
) -> Event:
    """As `batch_event`, with the job's JSON."""
    created_at = now // 1000 if happened_at is None else happened_at
    id_, size = _identified(account, type_, now, changes, data)
    return Event(
        id=id_,
        type=type_,
        account=account,
        created_at=created_at,
        timestamp=iso(created_at * 1000),
        observed_at=iso(now),
        changes=_shortened(changes, size + _ENVELOPE_BYTES - MAX_EVENT_BYTES),
        data=data,
    )


def encode_event(event: Event) -> str:
    """The event's JSON as it is logged and sent: every attempt sends the same bytes.

    It is escaped once, here, so that every surface and every copy of the database has the same harmless text. Escaping does not
    change the value.
    """
    return escape_json(_encode(event).decode())


def plain_event(type_: str, account: str, data: dict[str, Any], now: int) -> Event:
    """Make an event that is about no job: an account, or a receiver or a replica (then `account` is empty)."""
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
    return _outcome(job.total_requests, job.succeeded_requests, job.extra, (job.output_file, job.error_file))


def outcome_of_data(job: Mapping[str, Any]) -> Outcome:
    """The outcome of a SUCCESS by the job's JSON."""
    return _outcome(job["total_requests"], job["succeeded_requests"], job, (job.get("output_file"), job.get("error_file")))


def _outcome(total: int, succeeded: int, properties: Mapping[str, Any], files: tuple[str | None, str | None]) -> Outcome:
    """By the files where the counters tell of no request: gateways that are compatible with another vendor may have none."""
    if total == 0:
        output_file, error_file = files if provider_of(properties) != MISTRAL else (None, None)
        return _BY_FILES[bool(output_file), bool(error_file)]
    if succeeded >= total:
        return "success"
    return "partial" if succeeded else "all_failed"


@lru_cache(maxsize=256)  # what is observed together has the same moments
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
    from hashlib import blake2b  # noqa: PLC0415 - what only reads hashes nothing, and OpenSSL takes long to load

    return "evt_" + blake2b(encoded, digest_size=16).hexdigest(), len(encoded)
