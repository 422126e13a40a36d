"""Owns the tracer: which events and attempts become spans, and which traces are sampled."""

from typing import Final

from tracker.core.deliveries.delivery import Delivery, Settlement
from tracker.core.deliveries.trace_context import job_trace_id, trace_of
from tracker.core.events.event import Event
from tracker.tracing.delivery_spans import spans_of_attempt
from tracker.tracing.job_spans import ends_job, spans_of_job
from tracker.tracing.span_queue import SpanQueue

_ALL: Final = 2**64


class Tracer:
    """Puts spans into `queue`. A trace is sampled whole or not at all, by its id, as OpenTelemetry's TraceIdRatioBased does."""

    def __init__(self, queue: SpanQueue, sampled_share: float = 1.0) -> None:
        self._queue = queue
        self._below = round(sampled_share * _ALL)

    def logged(self, event: Event, backfilled: bool = False) -> None:  # noqa: FBT001, FBT002 - as the log has it
        """The event is in the log. A job that had ended before the account was first contacted has no span."""
        if not backfilled and ends_job(event) and self._samples(job_trace_id(event.account, event.data["id"])):
            self._queue.add([*spans_of_job(event)])

    def settled(self, settlement: Settlement) -> None:
        """An attempt has ended, and its outcome is in the store."""
        if self.is_sampled(settlement.delivery):
            self._queue.add(spans_of_attempt(settlement))

    def is_sampled(self, delivery: Delivery) -> bool:
        """Whether the delivery is in a trace that is exported."""
        return self._below == _ALL or self._samples(trace_of(delivery).trace)

    def _samples(self, trace: bytes) -> bool:
        return int.from_bytes(trace[8:]) < self._below
