"""Owns the metrics of results that are still to be archived: of how many jobs, and since when the oldest one waits."""

from collections.abc import Iterable

from prometheus_client.core import Metric

from tracker.core.ports.statistics import Statistics
from tracker.core.results.archive_task import ArchiveBacklog
from tracker.metrics.families import gauge_family

_EMPTY = ArchiveBacklog()


class ArchiveBacklogMetrics:
    """Reads the store at each scrape. A configured account without tasks has 0."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._accounts: tuple[str, ...] = ()

    def configured(self, accounts: Iterable[str]) -> None:
        self._accounts = tuple(accounts)

    def collect(self) -> Iterable[Metric]:
        backlogs = self._statistics.archive_backlogs()
        tasks = gauge_family("archive_tasks", "Jobs whose results are still to be archived.", "account")
        oldest = gauge_family(
            "oldest_archive_task_timestamp_seconds",
            "When the job ended whose results have waited longest to be archived; 0 where none waits.",
            "account",
        )
        for account in self._accounts:
            backlog = backlogs.get(account, _EMPTY)
            tasks.add_metric([account], backlog.tasks)
            oldest.add_metric([account], (backlog.oldest or 0) / 1000)
        return [tasks, oldest]
