"""Owns the metrics of silences: how many are in force, and the deliveries that they keep."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import Metric

from tracker.core.ports.statistics import Statistics
from tracker.metrics.families import Families, gauge_family


class SilencedMetrics:
    """Counts what this process silences, by each receiver of the configuration."""

    def __init__(self) -> None:
        self._receivers: frozenset[str] = frozenset()
        families = self._families = Families()
        self._silenced = families.counter("deliveries_silenced", "Deliveries that a silence keeps.", "receiver")
        self.collect = families.collect

    def configured(self, receivers: Iterable[str]) -> None:
        """Have series of exactly these receivers; those of new ones begin at 0."""
        before, self._receivers = self._receivers, frozenset(receivers)
        self._families.forget("receiver", before - self._receivers)
        for receiver in sorted(self._receivers - before):
            self._silenced.labels(receiver)

    def silenced(self, deliveries: Mapping[str, int]) -> None:
        """Set how many deliveries to each receiver are silenced."""
        for receiver in self._receivers & deliveries.keys():
            self._silenced.labels(receiver).inc(deliveries[receiver])


class ActiveSilenceMetrics:
    """Reads the store at each scrape."""

    def __init__(self, statistics: Statistics, now: Callable[[], int]) -> None:
        """`now` gives Unix milliseconds."""
        self._statistics = statistics
        self._now = now
        self._is_exported = True

    def configured(self, *, is_exported: bool) -> None:
        self._is_exported = is_exported

    def collect(self) -> Iterable[Metric]:
        if not self._is_exported:
            return []
        now = self._now()
        active = sum(silence.is_active(now) for silence in self._statistics.open_silences())
        family = gauge_family("silences_active", "Silences and maintenance windows that are in force.")
        family.add_metric([], active)
        return [family]
