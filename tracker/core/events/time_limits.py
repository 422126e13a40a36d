"""Owns the events of exceeded time limits: a stalled job, a deadline that is near, an unreachable account.

Each is logged once per episode. The log says what was logged before, so a restart repeats nothing. A job is stalled or late as
of the last complete sweep: after a time in which the tracker or the API was down, nothing is logged before the next sweep. If a
clock jumps, durations that began before the jump count from the jump.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from tracker.core.errors.provider_failure import Failure
from tracker.core.events.event import Event, Reminder, batch_event, iso, plain_event
from tracker.core.jobs.job import Job
from tracker.core.jobs.native import expires_at
from tracker.core.jobs.status import RUNNING, is_terminal

STALLED: Final = "batch.stalled"
DEADLINE: Final = "batch.deadline"
UNREACHABLE: Final = "account.unreachable"
RECOVERED: Final = "account.recovered"

DEADLINE_SHARE: Final = 0.8
"""The share of its time-out after which a job's deadline is near."""

MAX_TIMEOUT_HOURS: Final = 24.0 * 366
"""A larger number is not taken for the time-out of a batch job."""


class TimeLimits(msgspec.Struct, frozen=True, kw_only=True):
    """When an event is due: seconds, except for `timeout_hours`, the time-out of a job that says nothing of its own.

    With a `stalled_after` of infinity no job is stalled.
    """

    stalled_after: float = 3600.0
    timeout_hours: float = 24.0
    unreachable_after: float = 300.0


class ActiveJobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What the log says of an active job.

    `moved_at` is when a counter or the status last changed (Unix milliseconds), `warned` whether `batch.deadline` was ever
    logged. `reminder` is what the next reminder of `batch.stalled` says, None if that was not logged since the job moved.
    """

    job: Job
    moved_at: int
    reminder: Reminder | None = None
    warned: bool = False

    @property
    def stalled(self) -> bool:
        """Whether `batch.stalled` was logged since it moved."""
        return self.reminder is not None


class Outage(msgspec.Struct, frozen=True):
    """Consecutive failed sweeps: since when (Unix milliseconds), and the failure of the last one."""

    since: int
    failure: Failure


class Clocks(msgspec.Struct, frozen=True):
    """When our clock last jumped, 0 if never, and how far the provider's is ahead of ours; both in milliseconds."""

    steady_since: int = 0
    provider_ahead: int = 0


STEADY_CLOCKS: Final = Clocks()


def overdue_events(
    account: str,
    jobs: Iterable[ActiveJobStatus],
    limits: TimeLimits,
    swept_at: int,
    now: int,
    clocks: Clocks = STEADY_CLOCKS,
) -> Iterator[Event]:
    """The events that are due as of the last complete sweep, at `swept_at` (Unix milliseconds, as is `now`)."""
    swept_at = min(swept_at, now)  # it is in the future if the clock was ahead then
    for status in jobs:
        if is_terminal(status.job.status):
            continue
        stalled_since = _counts_from(status.moved_at, clocks.steady_since, swept_at)
        for type_, due_at in _due(status, limits, stalled_since, clocks.provider_ahead):
            if due_at <= swept_at:
                yield batch_event(type_, account, status.job, {}, now, happened_at=due_at // 1000)


def timeout_seconds(job: Mapping[str, Any], default: float) -> float:
    """How long after its creation a job (its JSON) ends at the latest; `default` (hours) if neither vendor nor metadata say."""
    if ends_at := expires_at(job):
        return max(0.0, float(ends_at - job["created_at"]))
    return timeout_hours(job.get("metadata"), default) * 3600


def timeout_hours(metadata: Any, default: float) -> float:
    """The time-out in a job's `metadata`, a number or the text of one; `default` if there is none."""
    given = metadata.get("timeout_hours") if isinstance(metadata, dict) else None
    if isinstance(given, bool) or not isinstance(given, int | float | str):
        return default
    try:
        hours = float(given)
    except (ValueError, OverflowError):
        return default
    return hours if math.isfinite(hours) and 0 < hours <= MAX_TIMEOUT_HOURS else default


def reachability_event(
    account: str, outage: Outage | None, last: Event | None, limits: TimeLimits, now: int, steady_since: int = 0
) -> Event | None:
    """The event that is due for an account; `last` is the last of its two events in the log, `steady_since` is of `Clocks`."""
    is_unreachable = last is not None and last.type == UNREACHABLE
    if outage is None:
        return plain_event(RECOVERED, account, last.data, now) if last is not None and is_unreachable else None
    if is_unreachable or now - _counts_from(outage.since, steady_since, now) < limits.unreachable_after * 1000:
        return None
    failure = outage.failure
    data = {"account": account, "reason": failure.reason.value, "detail": failure.detail, "since": iso(outage.since)}
    return plain_event(UNREACHABLE, account, data, now)


def _counts_from(at: int, steady_since: int, now: int) -> int:
    """When a duration that began at `at` counts from: `steady_since` if the clock has jumped since."""
    return at if not steady_since or steady_since <= at <= now else steady_since


def _due(status: ActiveJobStatus, limits: TimeLimits, stalled_since: int, provider_ahead: int) -> Iterator[tuple[str, int]]:
    """The types that have not been logged yet, each with when it is due (Unix milliseconds, by our clock)."""
    job = status.job
    if job.status == RUNNING and not status.stalled and math.isfinite(limits.stalled_after):
        yield STALLED, stalled_since + round(limits.stalled_after * 1000)
    if not status.warned:
        facts = {**job.extra, "created_at": job.created_at, "metadata": job.metadata}
        seconds = timeout_seconds(facts, limits.timeout_hours) * DEADLINE_SHARE
        yield DEADLINE, job.created_at * 1000 - provider_ahead + round(seconds * 1000)
