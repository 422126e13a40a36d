"""Owns the log lines about one receiver: what its attempts came to, and that it fails or has recovered."""

from collections.abc import Iterable

import structlog

from tracker.core.deliveries.dead_letters import FAILING
from tracker.core.deliveries.delivery import Settlement
from tracker.core.deliveries.fan_out import stream_labels
from tracker.core.events.event import Event, iso


class DeliveryLog:
    """Logs about one receiver."""

    def __init__(self, receiver: str) -> None:
        self._receiver = receiver
        self._log = structlog.get_logger().bind(receiver=receiver)

    def reported(self, events: Iterable[Event]) -> None:
        """These events about the receiver are in the log of events now."""
        for event in events:
            log_line = self._log.warning if event.type == FAILING else self._log.info
            log_line(event.type, **{name: value for name, value in event.data.items() if name not in ("receiver", "since")})

    def settled(self, settlement: Settlement) -> None:
        """An attempt has ended, and its outcome is in the store."""
        delivery, outcome = settlement.delivery, settlement.outcome
        about = {**stream_labels(delivery.stream), "seq": delivery.seq, "event_id": delivery.event_id, "type": delivery.type}
        about["attempt"] = delivery.attempts + 1
        if outcome.delivered:
            self._log.debug("delivery.succeeded", **about)
            return
        about |= {"reason": outcome.result.value, "detail": outcome.detail}
        if settlement.state == "dead":
            self._log.error("delivery.dead", **about, all=f"batch-tracker deliveries --state dead --receiver {self._receiver}")
        else:
            self._log.warning("delivery.failed", **about, again_at=iso(settlement.due_at))
