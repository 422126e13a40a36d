"""Owns a SUCCESS that cannot be complete: it waits for what it lacks, for a configured time at most."""

from collections.abc import Iterable, Mapping

import msgspec

from tracker.core.jobs.job import Job
from tracker.core.jobs.status import SUCCESS
from tracker.core.reconciliation.recheck_backoff import Recheck


class Settling(msgspec.Struct, frozen=True):
    """The last answer of a SUCCESS that cannot be complete, when the first one came, and when it was last requested."""

    job: Job
    recheck: Recheck

    def after_recheck(self, now: int) -> "Settling":
        return Settling(self.job, self.recheck.again(now))


def cannot_be_complete(job: Job) -> bool:
    """Whether a SUCCESS is shown before all of it is: its counters are short of the total, or it lacks its results."""
    if job.status != SUCCESS:
        return False
    ended = min(job.completed_requests, job.succeeded_requests + job.failed_requests)
    return ended < job.total_requests or bool(job.succeeded_requests and not job.output_file and not job.outputs)


class IncompleteSuccesses:
    """The jobs whose SUCCESS is not recorded yet."""

    def __init__(self, before: Mapping[str, Settling], settle_for: int) -> None:
        """`before` are those that the sweeps before have left; `settle_for` is in milliseconds."""
        self.settling = dict(before)
        self._settle_for = settle_for

    def waits(self, job: Job, now: int) -> bool:
        """Whether the end of `job` waits for what it lacks; an end of any other kind ends the wait."""
        before = self.settling.pop(job.id, None)
        recheck = before.recheck.again(now) if before else Recheck.first(now)
        if not cannot_be_complete(job) or recheck.age(now) >= self._settle_for:
            return False
        self.settling[job.id] = Settling(job, recheck)
        return True

    def take_settled(self, now: int) -> Iterable[Job]:
        """What has waited long enough, as it was last shown; it waits no longer."""
        over = [each.job for each in self.settling.values() if each.recheck.age(now) >= self._settle_for]
        for job in over:
            del self.settling[job.id]
        return over
