"""Owns the metrics of active jobs: series of each job up to a limit, and sums by model."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from tracker.core.jobs.job import COUNTERS, Job
from tracker.metrics.families import PREFIX
from tracker.metrics.jobs.job_series import JobSeries, Snapshots
from tracker.metrics.jobs.model_labels import ModelLabels

_WHICH: Final = ("", " that are done", " that succeeded", " that failed")


class ActiveJobs:
    """The active jobs of the configured accounts, read from the store's snapshots, in the thread of a scrape."""

    def __init__(self, models: ModelLabels) -> None:
        self.most = 0
        self._models = models
        self._series = JobSeries()
        self._accounts: tuple[str, ...] = ()
        self._snapshot_of: Callable[[str], Mapping[str, Job]] = lambda _account: {}

    def configured(self, accounts: Iterable[str], most: int) -> None:
        """Have these accounts alone, and series for the `most` oldest jobs."""
        self._accounts = tuple(accounts)
        self.most = most

    def read_from(self, snapshot_of: Callable[[str], Mapping[str, Job]]) -> None:
        """Read the active jobs of an account, by id, from `snapshot_of`; it is called in the thread of a scrape."""
        self._snapshot_of = snapshot_of

    def render_series(self) -> bytes:
        return self._series.render(self._snapshots(), self.most)

    def collect_sums(self) -> Iterable[Metric]:
        return _sums(self._snapshots(), self._models)

    def snapshot_of(self, account: str) -> Mapping[str, Job]:
        """The active jobs of the account, by id."""
        return self._snapshot_of(account)

    def _snapshots(self) -> Snapshots:
        return {account: self._snapshot_of(account) for account in self._accounts}


def _sums(snapshots: Snapshots, models: ModelLabels) -> Iterator[GaugeMetricFamily]:
    sums: dict[tuple[str, str], list[int]] = {}
    for account, jobs in snapshots.items():
        for job in jobs.values():
            sum_ = sums.setdefault((account, models.label(account, job.model)), [0] * len(COUNTERS))
            for index, name in enumerate(COUNTERS):
                sum_[index] += getattr(job, name)
    for index, (name, which) in enumerate(zip(COUNTERS, _WHICH, strict=True)):
        text = f"Requests of the active jobs{which}."
        family = GaugeMetricFamily(f"{PREFIX}active_{name}", text, labels=["account", "model"])
        for labels, sum_ in sums.items():
            family.add_metric(labels, sum_[index])
        yield family
