"""Owns the overview: what is active by model, how jobs ended in the last 24 hours, and which jobs may need a person."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final, Literal, NamedTuple

import msgspec

from tracker.core.events.failure_share import FEWEST_REQUESTS
from tracker.core.jobs.status import CANCELLED, FAILED, QUEUED, RUNNING, TIMEOUT_EXCEEDED

HOUR: Final = 3600
"""Seconds."""

HOURS: Final = 24

End = Literal["succeeded", "partial", "failed", "expired", "cancelled"]
"""How a job ended: as "failed" also with a SUCCESS in which no request succeeded."""

END_OF_STATUS: Final[Mapping[str, End]] = {FAILED: "failed", TIMEOUT_EXCEEDED: "expired", CANCELLED: "cancelled"}
"""SUCCESS is not among them: its outcome decides."""

END_OF_OUTCOME: Final[Mapping[str, End]] = {
    "success": "succeeded",
    "empty": "succeeded",
    "partial": "partial",
    "all_failed": "failed",
}


class ActiveJob(NamedTuple):
    """An active job as far as the overview needs it. `stalled` and `near_deadline`: the log has said so of it."""

    account: str
    id: str
    status: str
    created_at: int
    model: str
    succeeded: int
    failed: int
    stalled: bool
    near_deadline: bool


class ModelLoad(msgspec.Struct, frozen=True, kw_only=True):
    """The active jobs of a model. `waiting_since` is when the job that waits longest was created (Unix seconds)."""

    model: str
    running: int = 0
    queued: int = 0
    waiting_since: int | None = None


class HourOfEnds(msgspec.Struct, frozen=True, kw_only=True):
    """How many jobs ended within the hour that begins then (Unix seconds), by how they ended.

    An hour is not `counted` if more jobs have ended since than are read.
    """

    begins_at: int
    counted: bool = True
    succeeded: int = 0
    partial: int = 0
    failed: int = 0
    expired: int = 0
    cancelled: int = 0

    @property
    def ended(self) -> int:
        return self.succeeded + self.partial + self.failed + self.expired + self.cancelled

    @property
    def bad(self) -> int:
        """Those that gave nothing, or not all."""
        return self.partial + self.failed + self.expired


class FailingJob(NamedTuple):
    """A running job with failed requests: the share of those that are done which failed."""

    account: str
    id: str
    share: float


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of the overview.

    `models` and the lists of jobs are of `read` of the `active` jobs: of very many the oldest and the newest. The `hours` are
    in order, the present one last. `missing_results` are jobs of the last 24 hours whose result files could not be archived.
    """

    active: int
    read: int
    models: tuple[ModelLoad, ...]
    hours: tuple[HourOfEnds, ...]
    stalled: tuple[tuple[str, str], ...]
    near_deadline: tuple[tuple[str, str], ...]
    failing: tuple[FailingJob, ...]
    missing_results: int

    @property
    def queues(self) -> list[ModelLoad]:
        """The models of which jobs wait, the slowest queue first: the one whose first job has waited longest."""
        waiting = ((each.waiting_since, each) for each in self.models if each.waiting_since is not None)
        return [each for _, each in sorted(waiting, key=lambda pair: pair[0])]


def first_hour(now: int) -> int:
    """When the first of the hours begins that end with the present one, at `now` (Unix milliseconds); Unix seconds."""
    return (now // 1000 // HOUR - HOURS + 1) * HOUR


def hours_of_ends(since: int, ends: Iterable[tuple[int, End]], known_from: int) -> tuple[HourOfEnds, ...]:
    """The hours from `since` on, of times and ends, which are all that there were from `known_from` on (Unix seconds).

    A time that is ahead, by the provider's clock, counts as one of the last hour.
    """
    counts: list[Counter[str]] = [Counter() for _ in range(HOURS)]
    for at, end in ends:
        counts[min((at - since) // HOUR, HOURS - 1)][end] += 1
    return tuple(_hour(since + place * HOUR, of, known_from) for place, of in enumerate(counts))


def loads(jobs: Iterable[ActiveJob]) -> tuple[ModelLoad, ...]:
    """The load of each model, the most active first."""
    found: dict[str, ModelLoad] = {}
    for job in jobs:
        load = found.get(job.model) or ModelLoad(model=job.model)
        found[job.model] = _with_job(load, job)
    return tuple(sorted(found.values(), key=lambda each: (-each.running - each.queued, each.model)))


def failing_jobs(jobs: Iterable[ActiveJob]) -> tuple[FailingJob, ...]:
    """The running jobs of which enough requests are done and some have failed, the worst first."""
    found = (
        FailingJob(job.account, job.id, job.failed / done)
        for job in jobs
        if job.status == RUNNING and job.failed and (done := job.succeeded + job.failed) >= FEWEST_REQUESTS
    )
    return tuple(sorted(found, key=lambda each: -each.share))


def _hour(begins_at: int, counts: Mapping[str, int], known_from: int) -> HourOfEnds:
    if begins_at < known_from:
        return HourOfEnds(begins_at=begins_at, counted=False)
    return HourOfEnds(begins_at=begins_at, counted=True, **counts)


def _with_job(load: ModelLoad, job: ActiveJob) -> ModelLoad:
    if job.status != QUEUED:
        return msgspec.structs.replace(load, running=load.running + 1)
    since = job.created_at if load.waiting_since is None else min(load.waiting_since, job.created_at)
    return msgspec.structs.replace(load, queued=load.queued + 1, waiting_since=since)
