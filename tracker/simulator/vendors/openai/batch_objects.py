"""Owns OpenAI's Batch object: what a simulated job is at a moment, in OpenAI's statuses, times and counters.

While a batch is finalizing all its requests are done and its files are not there yet.
"""

from collections.abc import Mapping
from math import inf
from typing import Any, Final

from tracker.core.jobs.job import Job
from tracker.core.jobs.status import CANCELLATION_REQUESTED, CANCELLED, FAILED, QUEUED, RUNNING, SUCCESS, TIMEOUT_EXCEEDED
from tracker.simulator.job_timeline import JobPlan, job_at
from tracker.simulator.vendors.ids import BATCH, FILE, shown

FINALIZING: Final = 0.05
"""The share of the working time for which a batch is finalizing."""

STATUSES: Final[Mapping[str, str]] = {
    QUEUED: "validating",
    RUNNING: "in_progress",
    CANCELLATION_REQUESTED: "cancelling",
    SUCCESS: "completed",
    FAILED: "failed",
    TIMEOUT_EXCEEDED: "expired",
    CANCELLED: "cancelled",
}
_TIMES: Final = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")


def batch_at(plan: JobPlan, at: float) -> dict[str, Any]:
    """The batch as the API shows it at `at`, with what the faults of the plan make of it."""
    job = job_at(plan, at)
    is_finalizing = job.status == RUNNING and at >= finalizing_from(plan)
    return {
        "id": shown(BATCH, plan.id),
        "object": "batch",
        "endpoint": job.endpoint,
        "model": job.model,
        "errors": {"object": "list", "data": [_error(plan)]} if job.status == FAILED else None,
        "input_file_id": shown(FILE, plan.input_files[0]) if plan.input_files else "",
        "completion_window": "24h",
        "status": "finalizing" if is_finalizing else STATUSES.get(job.status, job.status.lower()),
        "output_file_id": _file_id(plan, job.output_file),
        "error_file_id": _file_id(plan, job.error_file),
        "created_at": job.created_at,
        "expires_at": int(plan.created + plan.timeout),
        **_times(plan, at),
        "request_counts": _counts(plan, job_at(plan, plan.ended) if is_finalizing else job, at),
        "metadata": dict(plan.metadata) or None,
        "usage": None,
    }


def finalizing_from(plan: JobPlan) -> float:
    """The moment from which on a running batch is finalizing; infinite where it ends otherwise."""
    ended, status = plan.steps[-1]
    return max(plan.started, ended - FINALIZING * plan.running) if status == SUCCESS else inf


def _times(plan: JobPlan, at: float) -> dict[str, int | None]:
    """When the batch first had each status, as far as it has had it."""
    if "null-times" in plan.quirks:
        return {f"{name}_at": None for name in _TIMES}
    first = {STATUSES.get(status, ""): moment for moment, status in reversed(plan.steps)}
    first["finalizing"] = finalizing_from(plan)
    return {f"{name}_at": int(first[name]) if first.get(name, inf) <= at else None for name in _TIMES}


def _counts(plan: JobPlan, job: Job, at: float) -> dict[str, int] | None:
    misreported = bool(plan.misreported) and at >= plan.created + plan.misreported_after
    if misreported or "null-counts" in plan.quirks:
        return None
    return {"total": job.total_requests, "completed": job.succeeded_requests, "failed": job.failed_requests}


def _file_id(plan: JobPlan, file_id: str | None) -> str | None:
    if file_id is None:
        return "" if "empty-files" in plan.quirks else None
    return shown(FILE, file_id)


def _error(plan: JobPlan) -> dict[str, Any]:
    return {"code": "invalid_request", "line": 1, "message": plan.failure, "param": None}
