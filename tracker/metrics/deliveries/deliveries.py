"""Owns the metrics of deliveries: attempts by result, their duration, and the latency of deliveries."""

from collections.abc import Iterable
from typing import Final

import msgspec

from tracker.core.deliveries.delivery import Result, Settlement
from tracker.core.deliveries.trace_context import trace_of
from tracker.core.events.event import parse_iso
from tracker.metrics.families import Families

ENDS: Final = ("delivered", "dead")

_ATTEMPT_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 60)
_LATENCY_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600, 21600, 86400, 345600)


class _Observed(msgspec.Struct):
    """The needed fields of an event's JSON."""

    observed_at: str


_decode = msgspec.json.Decoder(_Observed).decode


class DeliveryMetrics:
    """Counts only configured receivers. Exemplars have the trace that was sent with an attempt, and its span."""

    def __init__(self) -> None:
        self._receivers: frozenset[str] = frozenset()
        families = self._families = Families()
        self._attempts = families.counter("delivery_attempts", "Attempts by what they came to.", "receiver", "result")
        self._ended = families.counter("deliveries", "Deliveries that ended, by how.", "receiver", "state")
        self._took = families.histogram("delivery_duration_seconds", "How long an attempt took.", _ATTEMPT_BUCKETS, "receiver")
        self._latency = families.histogram(
            "delivery_latency_seconds", "From the event's observation to its delivery.", _LATENCY_BUCKETS, "receiver"
        )
        self.collect = families.collect

    def configured(self, receivers: Iterable[str]) -> None:
        """Have series of exactly these receivers; those of new ones begin at 0."""
        before, self._receivers = self._receivers, frozenset(receivers)
        self._families.forget("receiver", before - self._receivers)
        for receiver in sorted(self._receivers - before):
            self._start_at_zero(receiver)

    def settled(self, settlement: Settlement) -> None:
        """An attempt has ended, and its outcome is in the store."""
        delivery = settlement.delivery
        if delivery.receiver not in self._receivers:
            return
        ids = trace_of(delivery)
        exemplar = {"trace_id": ids.trace.hex(), "span_id": ids.attempt.hex()}
        self._attempts.labels(delivery.receiver, settlement.outcome.result).inc(exemplar=exemplar)
        took = max(settlement.ended_at - settlement.began_at, 0) / 1000
        self._took.labels(delivery.receiver).observe(took, exemplar)
        if settlement.state in ENDS:
            self._ended.labels(delivery.receiver, settlement.state).inc(exemplar=exemplar)
        if settlement.state == "delivered":
            late = settlement.ended_at - parse_iso(_decode(delivery.body).observed_at)
            self._latency.labels(delivery.receiver).observe(max(late, 0) / 1000, exemplar)

    def _start_at_zero(self, receiver: str) -> None:
        for result in Result:
            self._attempts.labels(receiver, result)
        for state in ENDS:
            self._ended.labels(receiver, state)
        self._took.labels(receiver)
        self._latency.labels(receiver)
