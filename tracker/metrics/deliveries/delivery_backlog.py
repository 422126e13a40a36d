"""Owns the metrics of deliveries that have not ended or are dead: how many, and when the oldest pending one was observed."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

from tracker.core.events.event import parse_iso
from tracker.core.ports.statistics import Statistics
from tracker.core.queries.backlog import Backlog
from tracker.metrics.families import gauge_family

_EMPTY = Backlog(0, 0, None)


class DeliveryBacklogMetrics:
    """Reads the store at each scrape. A configured receiver without deliveries has 0."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._receivers: tuple[str, ...] = ()
        self._not_orphaned: Collection[str] | None = ()

    def configured(self, receivers: Iterable[str], not_orphaned: Collection[str] | None) -> None:
        """Have these receivers alone. Those of receivers but `not_orphaned` are orphans; with None, none are exported."""
        self._receivers = tuple(receivers)
        self._not_orphaned = not_orphaned

    def collect(self) -> Iterable[Metric]:
        backlogs, not_orphaned = self._statistics.backlogs(), self._not_orphaned
        orphaned = [] if not_orphaned is None else [_orphaned_family(backlogs, not_orphaned)]
        return [*self._of_receivers(backlogs), *orphaned]

    def _of_receivers(self, backlogs: Mapping[str, Backlog]) -> Iterator[GaugeMetricFamily]:
        pending = gauge_family("deliveries_pending", "Deliveries that have not ended.", "receiver")
        dead = gauge_family("deliveries_dead", "Deliveries that were given up.", "receiver")
        oldest = gauge_family(
            "oldest_pending_delivery_timestamp_seconds",
            "When the event of the oldest delivery that has not ended was observed; 0 where there is none.",
            "receiver",
        )
        for receiver in self._receivers:
            backlog = backlogs.get(receiver, _EMPTY)
            pending.add_metric([receiver], backlog.pending)
            dead.add_metric([receiver], backlog.dead)
            oldest.add_metric([receiver], _seconds(backlog.oldest_pending_at))
        yield from (pending, dead, oldest)


def _orphaned_family(backlogs: Mapping[str, Backlog], not_orphaned: Collection[str]) -> GaugeMetricFamily:
    text = "Deliveries of a receiver that is not in the configuration: nothing sends them."
    family = gauge_family("orphaned_deliveries", text, "receiver", "state")
    for receiver in sorted({*backlogs} - {*not_orphaned}):
        family.add_metric([receiver, "pending"], backlogs[receiver].pending)
        family.add_metric([receiver, "dead"], backlogs[receiver].dead)
    return family


def _seconds(iso: str | None) -> float:
    return 0 if iso is None else parse_iso(iso) / 1000
