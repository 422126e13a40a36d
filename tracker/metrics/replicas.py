"""Owns the metrics of replicas: the leases that this process works under, how they change, and those that no replica holds."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from itertools import chain
from typing import Final, Literal

from prometheus_client.core import Metric

from tracker.core.replicas.lease import LeaseKey, LeaseKind
from tracker.metrics.families import Families, gauge_family

LeaseChange = Literal["acquired", "released", "lost"]

_CHANGES: Final[tuple[LeaseChange, ...]] = ("acquired", "released", "lost")


class ReplicaMetrics:
    """Counts the leases of this process. One replica of all, which maintains the log, also says what they have in common."""

    def __init__(self) -> None:
        families = self._families = Families()
        self._leases = families.gauge("replica_leases", "Leases under which this replica works.", "kind")
        self._changes = families.counter(
            "lease_changes",
            "Leases that this replica acquired, gave back, or lost.",
            "kind",
            "change",
        )
        self._is_maintainer = False
        self._seen: tuple[int, Mapping[str, int]] | None = None  # replicas, and unheld leases by kind
        for kind in LeaseKind:
            self._leases.labels(kind.value)
            for change in _CHANGES:
                self._changes.labels(kind.value, change)

    def works_under(self, leases: Collection[LeaseKey], *, is_maintainer: bool) -> None:
        """From now on these are the leases; `is_maintainer` if that of the log's maintenance is among them."""
        counts = Counter(key.kind for key in leases)
        for kind in LeaseKind:
            self._leases.labels(kind.value).set(counts[kind])
        self._is_maintainer = is_maintainer

    def changed(self, leases: Iterable[LeaseKey], change: LeaseChange) -> None:
        for key in leases:
            self._changes.labels(key.kind.value, change).inc()

    def seen(self, replicas: int, unheld: Mapping[str, int]) -> None:
        """Set how many replicas live, and how many leases of each kind none of them holds."""
        self._seen = replicas, unheld

    def collect(self) -> Iterable[Metric]:
        common = self._common(*self._seen) if self._is_maintainer and self._seen else []
        return chain(self._families.collect(), common)

    def _common(self, replicas: int, unheld: Mapping[str, int]) -> Iterable[Metric]:
        live = gauge_family("replicas", "Replicas that live: one of them says it.")
        live.add_metric([], replicas)
        without_holder = gauge_family("leases_unheld", "Leases that no live replica holds: one of them says it.", "kind")
        for kind in LeaseKind:
            without_holder.add_metric([kind.value], unheld.get(kind.value, 0))
        return [live, without_holder]
