"""Owns the metrics of the receivers' circuits: which receivers are failing or disabled."""

from collections.abc import Iterable

from prometheus_client.core import Metric

from tracker.core.deliveries.circuit import Circuit
from tracker.core.ports.statistics import Statistics
from tracker.metrics.families import gauge_family


class ReceiverCircuitMetrics:
    """Reads the store at each scrape."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._receivers: tuple[str, ...] = ()

    def configured(self, receivers: Iterable[str]) -> None:
        self._receivers = tuple(receivers)

    def collect(self) -> Iterable[Metric]:
        failing = gauge_family("receiver_failing", "Whether the receiver keeps failing, and is probed.", "receiver")
        disabled = gauge_family("receiver_disabled", "Whether the receiver said that it is gone.", "receiver")
        circuits = self._statistics.circuits()
        for receiver in self._receivers:
            circuit = circuits.get(receiver, Circuit())
            failing.add_metric([receiver], circuit.is_open)
            disabled.add_metric([receiver], circuit.disabled)
        return [failing, disabled]
