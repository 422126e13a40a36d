"""What all workers of the daemon share: the store, health, metrics and liveness."""

from typing import NamedTuple

from tracker.config.secrets_in_use import Learned
from tracker.core.ports.store import Store
from tracker.core.reconciliation.account_health import Health
from tracker.metrics import Metrics
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.liveness import Liveness


class Dependencies(NamedTuple):
    """What all workers share."""

    store: Store
    health: Health
    metrics: Metrics
    liveness: Liveness | None = None
    learned: Learned = lambda _secrets: None

    def heartbeat(self, loop: str) -> Heartbeat:
        return Heartbeat(self.liveness.loop(loop) if self.liveness else None)
