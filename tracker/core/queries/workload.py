"""Owns the workload: the active jobs of the watched accounts, and the open deliveries to the configured receivers."""

from collections.abc import Mapping

import msgspec

from tracker.core.jobs.status import CANCELLATION_REQUESTED, QUEUED, RUNNING


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """The numbers of running (or cancelling) and queued jobs, and of pending and dead deliveries."""

    running: int
    queued: int
    pending: int
    dead: int

    def __str__(self) -> str:
        dead = f" ({self.dead} dead)" if self.dead else ""
        return f"{self.running} running, {self.queued} queued, {self.pending + self.dead} undelivered{dead}"


def workload_of(jobs: Mapping[str, int], deliveries: Mapping[str, int]) -> Workload:
    """The workload, of the numbers of jobs by status and of deliveries by state; what is missing is 0."""
    return Workload(
        running=jobs.get(RUNNING, 0) + jobs.get(CANCELLATION_REQUESTED, 0),
        queued=jobs.get(QUEUED, 0),
        pending=deliveries.get("pending", 0),
        dead=deliveries.get("dead", 0),
    )
