"""Owns the declaration of metric families under one prefix; each part of the metrics has a registry of its own."""

from collections.abc import Collection, Iterable
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.core import GaugeMetricFamily, Metric

PREFIX = "batchtracker_"

Family = TypeVar("Family", Counter, Gauge, Histogram)


class Families:
    """Counters, gauges and histograms. Labels are always given all, in their order."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._labelled: list[tuple[Counter | Gauge | Histogram, tuple[str, ...]]] = []

    def counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return self._known(Counter(PREFIX + name, documentation, labels, registry=self.registry), labels)

    def gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return self._known(Gauge(PREFIX + name, documentation, labels, registry=self.registry), labels)

    def histogram(self, name: str, documentation: str, buckets: Iterable[float], *labels: str) -> Histogram:
        histogram = Histogram(PREFIX + name, documentation, labels, buckets=tuple(buckets), registry=self.registry)
        return self._known(histogram, labels)

    def forget(self, label: str, values: Collection[str]) -> None:
        """Drop every series with one of these values of this label; the time does not depend on how many they are."""
        for family, labels in self._labelled if values else ():
            if label in labels:
                place = labels.index(label)
                for each in [*family._metrics]:  # noqa: SLF001 - the public ways look through all series for each value
                    if each[place] in values:
                        family.remove(*each)

    def collect(self) -> Iterable[Metric]:
        collected: Iterable[Metric] = self.registry.collect()
        return collected

    def _known(self, family: Family, labels: tuple[str, ...]) -> Family:
        self._labelled.append((family, labels))
        return family


def gauge_family(name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
    """A gauge whose values are added by hand."""
    return GaugeMetricFamily(PREFIX + name, documentation, labels=labels)
