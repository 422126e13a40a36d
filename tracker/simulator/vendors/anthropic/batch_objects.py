"""Owns Anthropic's MessageBatch: what a simulated job is at a moment, in Anthropic's statuses, times and counts.

A batch has no status FAILED: where a job fails, the requests that were not done have errored. Until the whole batch has ended
every request is `processing`.
"""

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from tracker.core.jobs.status import CANCELLATION_REQUESTED, CANCELLED, TIMEOUT_EXCEEDED, is_recognized, is_terminal
from tracker.simulator.job_timeline import JobPlan, job_at, status_at
from tracker.simulator.vendors.ids import shown

BATCH: Final = "msgbatch_"
ARCHIVED_AFTER: Final = 2.0
"""Seconds after the end of a batch that is archived early."""

UNKNOWN_STATUS: Final = "hibernating"


class Counts(NamedTuple):
    """How many requests have which result."""

    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0


def batch_at(plan: JobPlan, at: float, base_url: str) -> dict[str, Any]:
    """The batch as the API at `base_url` shows it at `at`, with what the faults of the plan make of it."""
    status, over = status_at(plan, at), is_terminal(status_at(plan, at))
    archived = archived_at(plan)
    is_archived = archived is not None and at >= archived
    has_results = over and not is_archived and at >= plan.ended + plan.settling
    counts = end_counts(plan) if over else Counts(processing=plan.requests)
    return {
        "id": shown(BATCH, plan.id),
        "type": "message_batch",
        "processing_status": "ended" if over else _processing_status(plan, status),
        "request_counts": None if _misreports(plan, at) else counts._asdict(),
        "created_at": rfc3339(plan.created),
        "expires_at": rfc3339(plan.created + plan.timeout),
        "ended_at": rfc3339(plan.ended) if over else None,
        "cancel_initiated_at": _cancel_initiated_at(plan, at),
        "archived_at": rfc3339(archived) if is_archived and archived is not None else None,
        "results_url": results_url(plan, base_url) if has_results else None,
    }


def end_counts(plan: JobPlan) -> Counts:
    """How many requests have which result in the end."""
    job, status = job_at(plan, plan.ended + plan.settling), plan.steps[-1].status
    succeeded, errored = job.succeeded_requests, job.failed_requests
    rest = plan.requests - succeeded - errored
    if "mixed-end" in plan.quirks:
        third = plan.requests // 3
        return Counts(succeeded=plan.requests - 2 * third, canceled=third, expired=third)
    if status == CANCELLED:
        return Counts(succeeded=succeeded, errored=errored, canceled=rest)
    if status == TIMEOUT_EXCEEDED:
        return Counts(succeeded=succeeded, errored=errored, expired=rest)
    return Counts(succeeded=succeeded, errored=errored + rest)


def archived_at(plan: JobPlan) -> float | None:
    return plan.ended + ARCHIVED_AFTER if "archived" in plan.quirks else None


def results_url(plan: JobPlan, base_url: str) -> str:
    base = "https://results.invalid/" if "foreign-results" in plan.quirks else base_url
    return f"{base}v1/messages/batches/{shown(BATCH, plan.id)}/results"


def rfc3339(moment: float) -> str:
    """Of Unix seconds, with six digits of the fraction."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _processing_status(plan: JobPlan, status: str) -> str:
    if status == CANCELLATION_REQUESTED:
        return "canceling"
    return UNKNOWN_STATUS if "unknown-status" in plan.quirks or not is_recognized(status) else "in_progress"


def _cancel_initiated_at(plan: JobPlan, at: float) -> str | None:
    asked = plan.cancel_at
    was_asked = asked is not None and asked <= at and (asked < plan.ended or plan.steps[-1].status == CANCELLED)
    return rfc3339(asked) if was_asked and asked is not None else None


def _misreports(plan: JobPlan, at: float) -> bool:
    return "null-counts" in plan.quirks or (bool(plan.misreported) and at >= plan.created + plan.misreported_after)
