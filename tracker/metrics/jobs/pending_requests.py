"""Owns the metrics of pending requests: how many of a workspace's requests are not completed, and how many may be."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import Metric

from tracker.core.jobs.job import Job
from tracker.metrics.families import gauge_family


def pending_requests(jobs: Iterable[Job]) -> int:
    """The requests of these active jobs that are not completed; one whose counters contradict each other has none."""
    return sum(max(job.total_requests - job.completed_requests, 0) for job in jobs)


class PendingRequestMetrics:
    """Reads the active jobs at each scrape, in its thread."""

    def __init__(self, active_jobs: Callable[[str], Mapping[str, Job]]) -> None:
        """`active_jobs` gives the active jobs of an account, by id."""
        self._active_jobs = active_jobs
        self._limits: Mapping[str, int | None] = {}

    def configured(self, limits: Mapping[str, int | None]) -> None:
        """Have these accounts alone, with how many requests of each may be pending, None if that is unknown."""
        self._limits = dict(limits)

    def collect(self) -> Iterable[Metric]:
        pending = gauge_family("pending_requests", "Requests of the active jobs that are not completed.", "account")
        limit = gauge_family(
            "pending_requests_limit", "The configured `pending_limit`: requests of a workspace that may be pending.", "account"
        )
        for account, most in self._limits.items():
            pending.add_metric([account], pending_requests(self._active_jobs(account).values()))
            if most is not None:
                limit.add_metric([account], most)
        return [pending, limit]
