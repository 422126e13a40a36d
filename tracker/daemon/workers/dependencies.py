"""The dependencies that all workers share: store, health, metrics and liveness."""

from typing import Final, NamedTuple

from tracker.config.secrets.credentials import Learned
from tracker.core.deliveries.delivery import Settlement
from tracker.core.health.readiness import Health
from tracker.core.ports.store import Store
from tracker.core.replicas.lease import LeaseKey
from tracker.daemon.trace_export import NO_EXPORT, TraceExport
from tracker.daemon.workers.run_while_leased import LeaseGuard
from tracker.metrics import Metrics
from tracker.polling.poll_loop import MAX_BACKOFF
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.liveness import Liveness

REPLICA_STORAGE_PAUSE: Final = 3.0
"""Seconds; a database server is back within moments, and a lease outlasts the pause."""


class Dependencies(NamedTuple):
    """What all workers share."""

    store: Store
    health: Health
    metrics: Metrics
    liveness: Liveness | None = None
    learned: Learned = lambda _secrets: None
    is_replica: bool = False
    """Whether other processes work on the same database."""

    traces: TraceExport = NO_EXPORT

    def settled(self, settlement: Settlement) -> None:
        """An attempt to deliver has ended, and its outcome is in the store."""
        self.metrics.deliveries.settled(settlement)
        self.traces.settled(settlement)

    @property
    def longest_storage_pause(self) -> float:
        """Seconds that an account waits at most while the database fails."""
        return REPLICA_STORAGE_PAUSE if self.is_replica else MAX_BACKOFF

    def heartbeat(self, loop: str) -> Heartbeat:
        return Heartbeat(self.liveness.loop(loop) if self.liveness else None)

    def guard(self, key: LeaseKey) -> LeaseGuard:
        return LeaseGuard(self.store.leases, key)
