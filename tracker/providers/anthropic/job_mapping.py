"""Owns what Anthropic's MessageBatch is as a job.

A batch knows no queue, no model and no counters before its end: until then all its requests are `processing`. Its status
"ended" says nothing of how it ended, which its counters do: it was CANCELLED if any request was canceled, even if others
expired or succeeded, for then its cancellation was requested; else it is TIMEOUT_EXCEEDED if any request expired; else SUCCESS,
also where every request errored. A cancellation that found nothing left to cancel changes nothing. While the counters of an
ended batch are unknown it keeps the status "ended", which is no end of a job.

Every request of an ended batch has a result, so each that did not succeed counts as failed, a canceled one too; `native` has
the separate counts.
"""

from collections.abc import Mapping
from typing import Any, Final

from tracker.core.jobs.job import Job, MalformedJob
from tracker.core.jobs.job_reading import read_job
from tracker.core.jobs.native import read_mapped_job
from tracker.core.jobs.status import CANCELLATION_REQUESTED, CANCELLED, RUNNING, SUCCESS, TIMEOUT_EXCEEDED
from tracker.providers.requests.rfc3339 import unix_seconds

NAME: Final = "anthropic"
ENDPOINT: Final = "/v1/messages"
RESULTS: Final = "/results"
"""What follows the ID of a batch in the path of its results; together they are the ID of its output file."""

MAPPED: Final = frozenset(
    {"id", "type", "processing_status", "request_counts", "created_at", "ended_at", "expires_at", "results_url"}
)
"""What the job's properties show. `cancel_initiated_at` and `archived_at` are changes of their own."""

_STATUSES: Final[Mapping[Any, str]] = {"in_progress": RUNNING, "canceling": CANCELLATION_REQUESTED}
_ENDED: Final = "ended"
_COUNTS: Final = ("processing", "succeeded", "errored", "canceled", "expired")


def read_batch(found: Any) -> Job | MalformedJob:
    """The job of a MessageBatch, decoded from JSON."""
    if not isinstance(found, dict):
        return read_job(found)
    counts, ended = _counts(found.get("request_counts")), found.get("processing_status") == _ENDED
    properties = {
        "id": found.get("id"),
        "object": "batch",
        "input_files": [],
        "endpoint": ENDPOINT,
        "model": None,
        "output_file": _output_file(found) if ended else None,
        "error_file": None,
        "status": _status(found.get("processing_status"), counts),
        "created_at": unix_seconds(found.get("created_at")),
        "started_at": None,
        "completed_at": unix_seconds(found.get("ended_at")),
        "metadata": None,
        **(_counters(counts) if counts else {}),
    }
    return read_mapped_job(properties, provider=NAME, native=found, expires_at=unix_seconds(found.get("expires_at")))


def batch_of(file_id: str) -> str | None:
    """The ID of the batch whose results are the file; None if it is not the ID of an output file."""
    id_ = file_id.removesuffix(RESULTS)
    return id_ if id_ and id_ != file_id else None


def request_count(found: Mapping[str, Any]) -> int | None:
    """The number of requests of a MessageBatch; None if it is unknown."""
    counts = _counts(found.get("request_counts"))
    return sum(counts.values()) if counts else None


def _counts(found: Any) -> dict[str, int] | None:
    """Every count; None if one is missing or not a count, for what they add up to is unknown then."""
    if not isinstance(found, dict):
        return None
    counts = {name: found.get(name) for name in _COUNTS}
    return counts if all(type(count) is int and count >= 0 for count in counts.values()) else None  # type: ignore[return-value]


def _status(found: Any, counts: Mapping[str, int] | None) -> Any:
    if found != _ENDED or counts is None:
        return _STATUSES.get(found, found) if isinstance(found, str) else found
    if counts["canceled"]:
        return CANCELLED
    return TIMEOUT_EXCEEDED if counts["expired"] else SUCCESS


def _counters(counts: Mapping[str, int]) -> dict[str, int]:
    total, succeeded = sum(counts.values()), counts["succeeded"]
    completed = total - counts["processing"]
    return {
        "total_requests": total,
        "completed_requests": completed,
        "succeeded_requests": succeeded,
        "failed_requests": completed - succeeded,
    }


def _output_file(found: Mapping[str, Any]) -> str | None:
    """The results have no ID of their own. Those of an archived batch existed, and are gone: asking for them says so."""
    return f"{found.get('id')}{RESULTS}" if found.get("results_url") or found.get("archived_at") else None
