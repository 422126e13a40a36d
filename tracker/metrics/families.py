"""Owns how a part of the metrics is declared: families under one prefix, on a registry of the part's own."""

from collections.abc import Iterable
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

PREFIX = "batchtracker_"

Family = TypeVar("Family", Counter, Gauge, Histogram)


class Families:
    """Counters, gauges and histograms. A labelled one takes all its labels each time, in their order."""

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

    def forget(self, label: str, value: str) -> None:
        """Drop every series with this value of this label."""
        for family, labels in self._labelled:
            if label in labels:
                family.remove_by_labels({label: value})

    def render(self) -> bytes:
        return generate_latest(self.registry)

    def _known(self, family: Family, labels: tuple[str, ...]) -> Family:
        self._labelled.append((family, labels))
        return family
