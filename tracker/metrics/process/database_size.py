"""Owns the metrics of the database: the sizes of its files, and where the log begins and ends."""

from collections.abc import Iterable, Iterator

from prometheus_client.core import GaugeMetricFamily, Metric

from tracker.core.events.event import parse_iso
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
        return [GaugeMetricFamily(PREFIX + name, text, value) for name, text, value in (*values, *self._kept_log())]

    def _kept_log(self) -> Iterator[tuple[str, str, float]]:
        kept = self._statistics.kept_log()
        yield "first_seq", "The seq of the first event that the database keeps; earlier ones are in segments.", kept.first_seq
        yield "segments_size_bytes", "Size of the segments that old events were moved into.", kept.segments_size
        at = parse_iso(kept.oldest) / 1000 if kept.oldest else 0
        yield "oldest_event_timestamp_seconds", "When the first event that the database keeps was observed; 0 without one.", at
