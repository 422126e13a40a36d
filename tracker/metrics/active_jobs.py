"""Owns what is said of the jobs that are active now: each by itself up to a number, and their sums by model."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from tracker.core.jobs.job import COUNTERS, Job
from tracker.metrics.families import PREFIX
from tracker.metrics.job_series import JobSeries, Snapshots
from tracker.metrics.model_limit import Models

_WHICH: Final = ("", " that are done", " that succeeded", " that failed")


class ActiveJobs:
    """The active jobs of the configured accounts, read from the store's snapshots, in the thread of a scrape."""

    def __init__(self, models: Models) -> None:
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

    def render_sums(self) -> bytes:
        return generate_latest(_Sums(self._snapshots(), self._models))

    def _snapshots(self) -> Snapshots:
        return {account: self._snapshot_of(account) for account in self._accounts}


class _Sums(Collector):
    def __init__(self, snapshots: Snapshots, models: Models) -> None:
        self._snapshots = snapshots
        self._models = models

    def collect(self) -> Iterator[GaugeMetricFamily]:
        sums: dict[tuple[str, str], list[int]] = {}
        for account, jobs in self._snapshots.items():
            for job in jobs.values():
                sum_ = sums.setdefault((account, self._models.label(account, job.model)), [0] * len(COUNTERS))
                for index, name in enumerate(COUNTERS):
                    sum_[index] += getattr(job, name)
        for index, (name, which) in enumerate(zip(COUNTERS, _WHICH, strict=True)):
            text = f"Requests of the active jobs{which}."
            family = GaugeMetricFamily(f"{PREFIX}active_{name}", text, labels=["account", "model"])
            for labels, sum_ in sums.items():
                family.add_metric(labels, sum_[index])
            yield family
