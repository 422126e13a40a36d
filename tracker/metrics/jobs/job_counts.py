"""Owns the metrics of all jobs in the log: how many there are by account and status, and how many nothing watches."""

from collections.abc import Collection, Iterable
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from tracker.core.jobs.status import FOLLOWERS, is_recognized, is_terminal
from tracker.core.ports.statistics import Statistics
from tracker.metrics.families import gauge_family
from tracker.metrics.jobs.job_series import UNRECOGNIZED

DELETED: Final = "deleted"

JobCount = tuple[str, str, bool, int]
"""A row of `Statistics.jobs`."""


class JobCountMetrics:
    """Reads the store at each scrape. A configured account has every status, 0 without jobs."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._accounts: tuple[str, ...] = ()
        self._not_orphaned: Collection[str] | None = ()

    def configured(self, accounts: Iterable[str], not_orphaned: Collection[str] | None) -> None:
        """Have these accounts alone. Active jobs of accounts but `not_orphaned` are orphans; with None, none are exported."""
        self._accounts = tuple(accounts)
        self._not_orphaned = not_orphaned

    def collect(self) -> Iterable[Metric]:
        jobs, not_orphaned = [*self._statistics.jobs()], self._not_orphaned
        counts = _counts_family(_counted(self._accounts, jobs))
        return [counts, *([] if not_orphaned is None else [_orphans_family(_orphaned(not_orphaned, jobs))])]


def _counted(accounts: Iterable[str], rows: Iterable[JobCount]) -> dict[tuple[str, str], int]:
    counts = {(account, status): 0 for account in accounts for status in (*FOLLOWERS, UNRECOGNIZED, DELETED)}
    for account, status, deleted, jobs in rows:
        known = DELETED if deleted else status if is_recognized(status) else UNRECOGNIZED
        if (account, known) in counts:
            counts[account, known] += jobs
    return counts


def _orphaned(not_orphaned: Collection[str], rows: Iterable[JobCount]) -> dict[str, int]:
    orphaned: dict[str, int] = {}
    for account, status, deleted, jobs in rows:
        if account not in not_orphaned and not deleted and not is_terminal(status):
            orphaned[account] = orphaned.get(account, 0) + jobs
    return orphaned


def _counts_family(counts: dict[tuple[str, str], int]) -> GaugeMetricFamily:
    family = gauge_family("jobs", "Jobs that the log knows.", "account", "status")
    for labels, jobs in counts.items():
        family.add_metric(labels, jobs)
    return family


def _orphans_family(orphaned: dict[str, int]) -> GaugeMetricFamily:
    text = "Active jobs of an account that is not in the configuration: nothing follows them."
    family = gauge_family("orphaned_jobs", text, "account")
    for account in sorted(account for account, jobs in orphaned.items() if jobs):
        family.add_metric([account], orphaned[account])
    return family
