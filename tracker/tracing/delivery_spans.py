"""Owns the spans of deliveries: one for each attempt and, once a delivery has ended, one that has its attempts as children.

The span of an attempt is the parent that its `traceparent` names.
"""

from functools import lru_cache
from typing import Final

import msgspec

from tracker.core.deliveries.delivery import Delivery, Settlement
from tracker.core.deliveries.trace_context import trace_of
from tracker.core.events.event import parse_iso
from tracker.tracing.otlp_encoding import Attributes, SpanKind, describe, encode_attributes, span


class _Observed(msgspec.Struct):
    """The needed fields of an event's JSON."""

    observed_at: str


CACHED: Final = 1024
"""Descriptions of spans, which repeat."""

_decode: Final = msgspec.json.Decoder(_Observed).decode


def spans_of_attempt(settlement: Settlement) -> list[bytes]:
    """The spans that are complete now that an attempt has ended."""
    delivery, outcome = settlement.delivery, settlement.outcome
    trace, parent, whole, attempt = trace_of(delivery)
    about = _about(delivery.event_id, delivery.seq)
    error = "" if outcome.delivered else outcome.result.value
    times = settlement.began_at, settlement.ended_at
    attempted = _attempt(delivery.receiver, delivery.type, delivery.attempts + 1, outcome.status, error)
    spans = [span((trace, attempt, whole), times, attempted, about)]
    if settlement.state != "pending":
        times = parse_iso(_decode(delivery.body).observed_at), settlement.ended_at
        spans.append(span((trace, whole, parent), times, _delivery(delivery, settlement.state, error), about))
    return spans


@lru_cache(CACHED)  # an event is delivered to many receivers at about the same time
def _about(event_id: str, seq: int) -> bytes:
    return encode_attributes((("batch_tracker.event.id", event_id), ("batch_tracker.event.seq", seq)))


@lru_cache(CACHED)
def _attempt(receiver: str, type_: str, attempt: int, status: int | None, error: str) -> bytes:
    """What an attempt is. Why it failed is said without what the receiver said: its status, or what kind of failure it was."""
    given: Attributes = (
        ("batch_tracker.receiver", receiver),
        ("batch_tracker.event.type", type_),
        ("batch_tracker.delivery.attempt", attempt),
    )
    if status is not None:
        given += (("http.response.status_code", status),)
    if error:
        given += (("error.type", error),)
    return describe("attempt", SpanKind.CLIENT, given, error and (error if status is None else f"HTTP {status}"))


def _delivery(delivery: Delivery, state: str, error: str) -> bytes:
    return _ended(delivery.receiver, delivery.type, delivery.attempts + 1, delivery.replays, state, error)


@lru_cache(CACHED)
def _ended(receiver: str, type_: str, attempts: int, replays: int, state: str, error: str) -> bytes:
    """What a delivery is that has ended."""
    given: Attributes = (
        ("batch_tracker.receiver", receiver),
        ("batch_tracker.event.type", type_),
        ("batch_tracker.delivery.state", state),
        ("batch_tracker.delivery.attempts", attempts),
    )
    if replays:
        given += (("batch_tracker.delivery.replays", replays),)
    return describe(f"deliver {type_}", SpanKind.PRODUCER, given, f"{state}: {error}" if error else "")
