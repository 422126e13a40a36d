"""Owns what time alone brings: a job that stands still, one that runs out of time, an account that cannot be reached.

Each is told once per episode, by what the log says was told before, so that a restart tells nothing twice. Of a job only whole
sweeps are a witness: it stands still, or is late, as of the last one. So a tracker that was down, or an API that was, says
nothing before it has looked. Nor is anything late because a clock has jumped: what has lasted since before counts from then.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from tracker.core.errors.provider_failure import Failure
from tracker.core.events.event import Event, batch_event, iso, plain_event
from tracker.core.jobs.job import Job
from tracker.core.jobs.status import RUNNING, is_terminal

STALLED: Final = "batch.stalled"
DEADLINE: Final = "batch.deadline"
UNREACHABLE: Final = "account.unreachable"
RECOVERED: Final = "account.recovered"

SHARE_OF_TIMEOUT: Final = 0.8
"""How much of its time-out a job has used up when its deadline comes near."""

MOST_HOURS: Final = 24.0 * 366
"""What is more than that is no time-out of a batch job."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long is too long: seconds, but for `timeout_hours`, which stands for the time-out of a job that names none."""

    stalled_after: float = 3600.0
    timeout_hours: float = 24.0
    unreachable_after: float = 300.0


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How long an active job has been as it is, by the log.

    `moved_at` is when a counter or the status was last seen to change (Unix milliseconds), `stalled` whether it was told since
    that nothing moves, `warned` whether it was ever told that its time runs out.
    """

    job: Job
    moved_at: int
    stalled: bool = False
    warned: bool = False


class Outage(msgspec.Struct, frozen=True):
    """Sweeps that have failed without one in between that did not: since when (Unix milliseconds), and of what the last one."""

    since: int
    failure: Failure


class Clocks(msgspec.Struct, frozen=True):
    """When our clock last jumped (Unix milliseconds), 0 where it did not; by how many the provider's is ahead of ours."""

    steady_since: int = 0
    provider_ahead: int = 0


GOOD_CLOCKS: Final = Clocks()


def overdue(
    account: str, standings: Iterable[Standing], limits: Limits, swept_at: int, now: int, clocks: Clocks = GOOD_CLOCKS
) -> Iterator[Event]:
    """What there is to say of the jobs as of the last whole sweep, at `swept_at` (Unix milliseconds, as is `now`)."""
    swept_at = min(swept_at, now)  # by a clock that was ahead it may be a time that is still to come
    for standing in standings:
        if is_terminal(standing.job.status):
            continue
        still_since = _counts_from(standing.moved_at, clocks.steady_since, swept_at)
        for type_, due_at in _due(standing, limits, still_since, clocks.provider_ahead):
            if due_at <= swept_at:
                yield batch_event(type_, account, standing.job, {}, now, happened_at=due_at // 1000)


def timeout_hours(metadata: Any, instead: float) -> float:
    """The time-out that a job names in its `metadata`, as a number or the text of one; `instead` where it names none."""
    said = metadata.get("timeout_hours") if isinstance(metadata, dict) else None
    if isinstance(said, bool) or not isinstance(said, int | float | str):
        return instead
    try:
        hours = float(said)
    except (ValueError, OverflowError):
        return instead
    return hours if math.isfinite(hours) and 0 < hours <= MOST_HOURS else instead


def reachability(
    account: str, outage: Outage | None, told: Event | None, limits: Limits, now: int, steady_since: int = 0
) -> Event | None:
    """What there is to say of an account; `told` is the last of its two events in the log, `steady_since` as above."""
    is_told = told is not None and told.type == UNREACHABLE
    if outage is None:
        return plain_event(RECOVERED, account, told.data, now) if told is not None and is_told else None
    if is_told or now - _counts_from(outage.since, steady_since, now) < limits.unreachable_after * 1000:
        return None
    failure = outage.failure
    data = {"account": account, "reason": failure.reason.value, "detail": failure.detail, "since": iso(outage.since)}
    return plain_event(UNREACHABLE, account, data, now)


def _counts_from(at: int, steady_since: int, now: int) -> int:
    """From when on counts what has lasted since `at`: how long ago that is a clock that has jumped since does not tell."""
    return at if not steady_since or steady_since <= at <= now else steady_since


def _due(standing: Standing, limits: Limits, still_since: int, provider_ahead: int) -> Iterator[tuple[str, int]]:
    """What has not been told of the job yet, and when it is due (Unix milliseconds, by our clock)."""
    job = standing.job
    if job.status == RUNNING and not standing.stalled:
        yield STALLED, still_since + round(limits.stalled_after * 1000)
    if not standing.warned:
        seconds = timeout_hours(job.metadata, limits.timeout_hours) * 3600 * SHARE_OF_TIMEOUT
        yield DEADLINE, job.created_at * 1000 - provider_ahead + round(seconds * 1000)
