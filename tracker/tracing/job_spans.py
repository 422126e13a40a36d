"""Owns the spans of a job: the whole, its time in the queue and its run, by the vendor's times, made at its end."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tracker.core.deliveries.trace_context import job_span_id, job_trace_id
from tracker.core.events.event import Event
from tracker.core.events.event_type_table import BY_NAME
from tracker.core.jobs.job import COUNTERS
from tracker.core.jobs.job_reading import time_of
from tracker.core.jobs.native import provider_of
from tracker.core.jobs.status import is_terminal
from tracker.tracing.otlp_encoding import Attributes, SpanKind, describe, encode_attributes, span

_FAILED: Final = frozenset(("batch.failed", "batch.expired", "batch.deleted"))
"""Ends at which a job has failed, whatever its counters are."""

_QUEUED: Final = b"-queued-"
_RAN: Final = b"--ran---"
"""What makes the ids of a job's parts of its own: 8 bytes each."""

_PROVIDERS: Final = {"mistral": "mistral_ai", "gemini": "gcp.gemini"}
"""OpenTelemetry's names of vendors where they are others than ours."""


def ends_job(event: Event) -> bool:
    """Whether the job of `event` is over with it, and was not before."""
    type_ = BY_NAME.get(event.type)
    if event.type == "batch.deleted":
        return not is_terminal(str(event.data.get("status")))
    return type_ is not None and type_.ends


def spans_of_job(event: Event) -> Iterator[bytes]:
    """The spans of the job that `event` ends."""
    data, account = event.data, event.account
    trace, own = job_trace_id(account, data["id"]), job_span_id(account, data["id"])
    created, started, ended = _times(event)
    of_job = encode_attributes(_of_job(event))
    error = _error(event)
    yield span((trace, own, b""), (created, ended), describe("batch job", SpanKind.INTERNAL, (), error), of_job)
    queued = describe("batch queue", SpanKind.INTERNAL, ())
    yield span((trace, _part(own, _QUEUED), own), (created, ended if started is None else started), queued)
    if started is not None:
        ran = describe("batch run", SpanKind.INTERNAL, (), error)
        yield span((trace, _part(own, _RAN), own), (started, ended), ran)


def _times(event: Event) -> tuple[int, int | None, int]:
    """When the job was created, started and ended, in Unix milliseconds and in this order."""
    created, started = event.data["created_at"], time_of(event.data, "started_at")
    completed = time_of(event.data, "completed_at")
    started = None if started is None else max(started, created)
    ended = max(event.created_at if completed is None else completed, created, started or 0)
    return created * 1000, None if started is None else started * 1000, ended * 1000


def _part(own: bytes, which: bytes) -> bytes:
    """The id of a part of the job: that of the job, with some of its bits changed."""
    return bytes(a ^ b for a, b in zip(own, which, strict=True))


def _of_job(event: Event) -> Attributes:
    data = event.data
    texts = {
        "batch_tracker.account": event.account,
        "batch_tracker.event.id": event.id,
        "batch_tracker.job.id": data["id"],
        "batch_tracker.job.status": data.get("status"),
        "batch_tracker.job.endpoint": data.get("endpoint"),
        "batch_tracker.job.outcome": event.outcome,
        "gen_ai.operation.name": "batch",
        "gen_ai.provider.name": _PROVIDERS.get(provider_of(data), provider_of(data)),
        "gen_ai.request.model": data.get("model"),
    }
    named = tuple((name, value) for name, value in texts.items() if isinstance(value, str) and value)
    return named + tuple((f"batch_tracker.job.{name}", data[name]) for name in COUNTERS if _is_counter(data, name))


def _is_counter(data: Mapping[str, Any], name: str) -> bool:
    return isinstance(data.get(name), int) and 0 <= data[name] < 2**63


def _error(event: Event) -> str:
    """That the job has failed; empty if it has not. What the API says of it stays in the log."""
    if event.type in _FAILED:
        return event.type.partition(".")[2]
    return "all requests failed" if event.outcome == "all_failed" else ""
