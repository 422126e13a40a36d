"""Owns the metrics of the database: the sizes of its files, and the end of the log."""

from collections.abc import Iterable

from prometheus_client.core import GaugeMetricFamily, Metric

from tracker.core.ports.statistics import Statistics
from tracker.metrics.families import PREFIX


class DatabaseSizeMetrics:
    """Reads the store at each scrape."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._is_exported = True

    def configured(self, *, is_exported: bool) -> None:
        self._is_exported = is_exported

    def collect(self) -> Iterable[Metric]:
        if not self._is_exported:
            return []
        database, wal = self._statistics.sizes()
        values = (
            ("database_size_bytes", "Size of the database file.", database),
            ("wal_size_bytes", "Size of the write-ahead log beside it.", wal),
            ("last_seq", "The seq of the last event in the log.", self._statistics.last_seq()),
        )
        return [GaugeMetricFamily(PREFIX + name, text, value) for name, text, value in values]
