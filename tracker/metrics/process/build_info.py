"""Owns the metric of the build: the versions of batch-tracker, Python and the storage engine."""

import platform
from collections.abc import Iterable

from prometheus_client.core import InfoMetricFamily, Metric

from tracker import __version__
from tracker.core.ports.statistics import Statistics
from tracker.metrics.families import PREFIX


class BuildInfoMetrics:
    """Asks the store for the version of its engine."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics

    def collect(self) -> Iterable[Metric]:
        versions = {"version": __version__, "python": platform.python_version(), **_engine(*self._statistics.engine())}
        text = "What runs here; whether its SQLite has the WAL-reset bug, which one writer that checkpoints alone avoids."
        return [InfoMetricFamily(f"{PREFIX}build", text, versions)]


def _engine(version: str, affected: bool) -> dict[str, str]:  # noqa: FBT001 - as `Statistics` has it
    name, _, number = version.rpartition(" ")
    return {name.lower(): number} if name else {"sqlite": number, "sqlite_affected": "yes" if affected else "no"}
