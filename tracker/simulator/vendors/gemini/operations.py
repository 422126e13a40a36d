"""Owns the operation that a simulated job is at Gemini's API at a moment: the envelope, and the batch in its metadata.

As JSON of protocol buffers has it, a count of 0 and an unspecified state are absent, and counts are texts. No state says that a
cancellation is under way. A batch whose requests came in the call has its results in the operation, any other in a file.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from tracker.core.jobs.job import Job
from tracker.core.jobs.status import (
    CANCELLATION_REQUESTED,
    CANCELLED,
    FAILED,
    QUEUED,
    RUNNING,
    SUCCESS,
    TIMEOUT_EXCEEDED,
    is_terminal,
)
from tracker.simulator.job_timeline import JobPlan, job_at, result_file
from tracker.simulator.vendors.ids import shown

BATCH: Final = "batches/"
FILE: Final = "files/"
TYPE: Final = "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch"
UNKNOWN_STATE: Final = "BATCH_STATE_HIBERNATING"

_STATES: Final[Mapping[str, str]] = {
    QUEUED: "BATCH_STATE_PENDING",
    RUNNING: "BATCH_STATE_RUNNING",
    CANCELLATION_REQUESTED: "BATCH_STATE_RUNNING",
    SUCCESS: "BATCH_STATE_SUCCEEDED",
    FAILED: "BATCH_STATE_FAILED",
    CANCELLED: "BATCH_STATE_CANCELLED",
    TIMEOUT_EXCEEDED: "BATCH_STATE_EXPIRED",
}
_ERRORS: Final = {FAILED: 13, CANCELLED: 1, TIMEOUT_EXCEEDED: 4}
"""The google.rpc.Code of each end that is none in SUCCESS."""


def operation_at(plan: JobPlan, at: float, lines: Iterable[bytes] = ()) -> dict[str, Any]:
    """The operation at `at`, with what the faults of the plan make of it; `lines` are the results, where they are inlined."""
    job = job_at(plan, at)
    output = _output(plan, at, lines)
    batch = {
        "@type": TYPE,
        "model": f"models/{plan.model}",
        "displayName": plan.metadata.get("displayName") or "-".join(plan.metadata.values()),
        "createTime": rfc3339(plan.created),
        "updateTime": rfc3339(plan.ended if is_terminal(job.status) else max(plan.created, float(int(at)))),
        "state": _state(plan, job.status),
        "batchStats": _stats(plan, job, at),
        "name": shown(BATCH, plan.id),
        **({"inputConfig": {"fileName": shown(FILE, plan.input_files[0])}} if plan.input_files else {}),
        **({"endTime": rfc3339(plan.ended)} if is_terminal(job.status) else {}),
        **({"output": output} if output else {}),
    }
    metadata = {name: value for name, value in batch.items() if value is not None}
    return {"name": shown(BATCH, plan.id), "metadata": metadata, **_envelope(plan, job.status, output)}


def has_results(plan: JobPlan, at: float) -> bool:
    """Whether a request was done before the end, and the results are there."""
    job = job_at(plan, at)
    return is_terminal(job.status) and at >= plan.ended + plan.settling and job.completed_requests > 0


def results_id(plan: JobPlan) -> str:
    """The name of the file of results."""
    return shown(FILE, result_file(plan, "output"))


def rfc3339(moment: float) -> str:
    """Of Unix seconds, with nine digits of the fraction."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z"


def _state(plan: JobPlan, status: str) -> str | None:
    if "bare-operation" in plan.quirks:
        return None
    if "unknown-status" in plan.quirks and status == RUNNING:
        return UNKNOWN_STATE
    return _STATES.get(status, UNKNOWN_STATE)


def _stats(plan: JobPlan, job: Job, at: float) -> dict[str, str] | None:
    misreported = bool(plan.misreported) and at >= plan.created + plan.misreported_after
    if misreported or "null-counts" in plan.quirks or not job.total_requests:
        return None
    counts = {
        "requestCount": job.total_requests,
        "pendingRequestCount": job.total_requests - job.completed_requests,
        "successfulRequestCount": job.succeeded_requests,
        "failedRequestCount": job.failed_requests,
    }
    return {name: str(count) for name, count in counts.items() if count}


def _output(plan: JobPlan, at: float, lines: Iterable[bytes]) -> dict[str, Any]:
    if not has_results(plan, at):
        return {}
    if plan.input_files:
        return {"responsesFile": results_id(plan)}
    inlined = [{name: value for name, value in msgspec.json.decode(line).items() if name != "key"} for line in lines]
    return {"inlinedResponses": {"inlinedResponses": inlined}}


def _envelope(plan: JobPlan, status: str, output: dict[str, Any]) -> dict[str, Any]:
    if not is_terminal(status):
        return {}
    if status == SUCCESS:
        return {"done": True, "response": {"@type": TYPE + "Output", **output}}
    message = {FAILED: plan.failure, CANCELLED: "The batch was cancelled", TIMEOUT_EXCEEDED: "The batch has expired"}[status]
    return {"done": True, "error": {"code": _ERRORS[status], "message": message}}
