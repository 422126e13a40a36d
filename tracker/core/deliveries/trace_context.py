"""Owns the trace of a delivery: its ids, derived from what is delivered, and the W3C `traceparent` of an attempt.

All events of a job are in one trace; any other event has a trace of its own. Nothing is stored: every process derives the same
ids, also after a restart. An attempt that a kill cut short is made again under the same id.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple

from tracker.core.deliveries.delivery import Delivery
from tracker.core.deliveries.fan_out import stream_labels

CACHED: Final = 1024
"""More attempts than are ever under way: the request, the metrics and the spans of an attempt name the same ids."""


class DeliveryTrace(NamedTuple):
    """The ids of an attempt to deliver, 16 and 8 bytes. An event that is about no job has no parent."""

    trace: bytes
    parent: bytes
    delivery: bytes
    attempt: bytes


def job_trace_id(account: str, job: str) -> bytes:
    """The 16 bytes of the trace of a job."""
    return _digest(16, b"trace", account, job)


def job_span_id(account: str, job: str) -> bytes:
    """The 8 bytes of the span of a job, under which those of its deliveries are."""
    return _digest(8, b"job", account, job)


def trace_of(delivery: Delivery) -> DeliveryTrace:
    """The ids of the next attempt of a delivery. It is in the trace of its job, if it is about one.

    After a replay the delivery is another one, and each of its attempts is another one.
    """
    return _trace_of(delivery.stream, delivery.event_id, delivery.receiver, delivery.replays, delivery.attempts)


def traceparent(delivery: Delivery, *, sampled: bool = True) -> str:
    """The header of the next attempt. Where it is not `sampled`, most receivers record nothing of it."""
    ids = trace_of(delivery)
    return f"00-{ids.trace.hex()}-{ids.attempt.hex()}-{sampled:02x}"


@lru_cache(CACHED)
def _trace_of(stream: str, event_id: str, receiver: str, replays: int, attempts: int) -> DeliveryTrace:
    about = event_id, receiver, str(replays)
    delivery, attempt = _digest(8, b"delivery", *about), _digest(8, b"attempt", *about, str(attempts))
    return DeliveryTrace(*_of_stream(stream, event_id), delivery, attempt)


@lru_cache(CACHED)
def _of_stream(stream: str, event_id: str) -> tuple[bytes, bytes]:
    """The trace of an event, and the span of its job."""
    about = stream_labels(stream)
    if not about:
        return _digest(16, b"trace", event_id), b""
    return job_trace_id(**about), job_span_id(**about)


def _digest(size: int, kind: bytes, *parts: str) -> bytes:
    """`size` bytes, not all of them 0, which no id may be."""
    digest = blake2b("\0".join(parts).encode(), digest_size=size, person=kind).digest()
    return digest if any(digest) else b"\1" * size
