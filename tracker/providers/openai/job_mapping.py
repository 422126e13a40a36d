"""Owns what an OpenAI batch is as a job: its status, counters, times and files in the properties of a BatchJob.

Compatible gateways leave parts out: counters, times and `errors.data` may be null, and OpenAI itself names a file that there is
not with "". A counter that is null is unknown. `completed` of `request_counts` counts the requests that succeeded. Together
writes statuses in capitals and times as ISO 8601. A status that is not in the table stays as it came, and such a job active.
"""

from collections.abc import Mapping
from typing import Any, Final

from tracker.core.jobs.job import Job, MalformedJob
from tracker.core.jobs.job_reading import read_job
from tracker.core.jobs.native import read_mapped_job
from tracker.core.jobs.status import CANCELLATION_REQUESTED, CANCELLED, FAILED, QUEUED, RUNNING, SUCCESS, TIMEOUT_EXCEEDED
from tracker.providers.requests.rfc3339 import unix_seconds

STATUSES: Final[Mapping[str, str]] = {
    "validating": QUEUED,
    "in_progress": RUNNING,
    "finalizing": RUNNING,
    "cancelling": CANCELLATION_REQUESTED,
    "completed": SUCCESS,
    "failed": FAILED,
    "expired": TIMEOUT_EXCEEDED,
    "cancelled": CANCELLED,
}

MAPPED: Final = frozenset(
    {
        "id", "object", "status", "endpoint", "model", "model_id", "input_file_id", "output_file_id", "error_file_id",
        "metadata", "errors", "error", "request_counts", "created_at", "in_progress_at", "completed_at", "failed_at",
        "expired_at", "cancelled_at", "expires_at", "job_deadline", "usage", "progress",
    }
)  # fmt: skip
"""What the job's own properties show, and `usage` and `progress`, which move while a batch runs."""

_ENDS: Final = ("completed_at", "failed_at", "expired_at", "cancelled_at")


def read_batch(answer: Any) -> Job | MalformedJob:
    """The job that a batch, as decoded JSON, is."""
    if not isinstance(answer, dict):
        return read_job(answer)
    properties = {
        "id": answer.get("id"),
        "object": answer.get("object") or "batch",
        "input_files": _input_files(answer.get("input_file_id")),
        "endpoint": answer.get("endpoint"),
        "model": answer.get("model") or answer.get("model_id"),
        "output_file": answer.get("output_file_id") or None,
        "error_file": answer.get("error_file_id") or None,
        "status": _status(answer.get("status")),
        "created_at": _time(answer.get("created_at")),
        "started_at": _time(answer.get("in_progress_at")),
        "completed_at": _end(answer),
        "metadata": answer.get("metadata"),
        **_counters(answer.get("request_counts")),
        "agent_id": None,
        "errors": _errors(answer.get("errors") or answer.get("error")),
        "outputs": None,
    }
    deadline = _time(answer.get("expires_at") or answer.get("job_deadline"))
    return read_mapped_job(properties, provider="openai", native=answer, expires_at=deadline)


def _status(value: Any) -> Any:
    return STATUSES.get(value.lower(), value) if isinstance(value, str) else value


def _input_files(file_id: Any) -> Any:
    return [file_id] if file_id else []


def _end(answer: Mapping[str, Any]) -> int | None:
    """The time of the status, else the one time of an end that there is."""
    own = _time(answer.get(f"{answer.get('status')}_at")) if _is_over(answer.get("status")) else None
    return own or next((at for name in _ENDS if (at := _time(answer.get(name)))), None)


def _is_over(status: Any) -> bool:
    return isinstance(status, str) and f"{status}_at" in _ENDS


def _counters(counts: Any) -> dict[str, Any]:
    """All that are known."""
    counts = counts if isinstance(counts, dict) else {}
    total, succeeded, failed = (_whole(counts.get(name)) for name in ("total", "completed", "failed"))
    completed = None if succeeded is None else succeeded + (failed or 0)  # never fewer than those that succeeded
    return {
        "total_requests": total,
        "completed_requests": completed,
        "succeeded_requests": succeeded,
        "failed_requests": failed,
    }


def _whole(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _errors(found: Any) -> list[Any]:
    """The errors of validation one by one: of the object's `data`, of a list, or the single one that a text is."""
    if isinstance(found, dict) and ("data" in found or found.keys() <= {"object"}):
        found = found.get("data")
    if isinstance(found, list):
        return found
    return [{"message": found} if isinstance(found, str) else found] if found else []


def _time(value: Any) -> int | None:
    """Unix seconds of a time as a number or in ISO 8601; None for what is neither."""
    if isinstance(value, str):
        return unix_seconds(value)
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < 2**53 else None
