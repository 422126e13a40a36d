"""Owns the metrics of the process: memory, CPU, files and garbage collection, as prometheus_client has them."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import Metric


class ProcessMetrics:
    """The collectors of prometheus_client on a registry of their own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def collect(self) -> Iterable[Metric]:
        collected: Iterable[Metric] = self._registry.collect()
        return collected
