"""Anthropic's MessageBatch objects as the world of a property test has them."""

from datetime import UTC, datetime

from vendor_world import VendorFake

from tracker.core.jobs.status import is_terminal
from tracker.providers.anthropic.job_mapping import read_batch
from tracker.providers.vendor_registry import VENDORS

_REASONS = {"CANCELLED": "canceled", "TIMEOUT_EXCEEDED": "expired"}


def batch_of(job):
    """The batch of a BatchJob's JSON, of which any property may be missing; before its end no request is counted."""
    status, created = job.get("status"), job.get("created_at")
    over = status is not None and is_terminal(status)
    counts = dict.fromkeys(("processing", "succeeded", "errored", "canceled", "expired"), 0)
    total = max(job.get("total_requests", 0), status in _REASONS)
    if over:
        reason = _REASONS.get(status, "errored")
        counts["succeeded"] = min(job.get("succeeded_requests", 0), total - (reason != "errored"))
        counts[reason] = total - counts["succeeded"]
    else:
        counts["processing"] = total
    return {
        "id": job["id"],
        "type": "message_batch",
        "processing_status": status and ("ended" if over else _ACTIVE.get(status, status)),
        "request_counts": counts,
        "created_at": _rfc3339(created),
        "expires_at": None if created is None else _rfc3339(created + 86400),
        "ended_at": _rfc3339(job.get("completed_at")) if over else None,
        "archived_at": None,
        "cancel_initiated_at": _rfc3339(created) if status == "CANCELLATION_REQUESTED" else None,
        "results_url": f"https://api.example/v1/messages/batches/{job['id']}/results" if over else None,
    }


_ACTIVE = {"QUEUED": "in_progress", "RUNNING": "in_progress", "CANCELLATION_REQUESTED": "canceling"}


def _rfc3339(seconds):
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", ".123456Z")


def page_of(batches, page):
    """Anthropic's answer."""
    first = batches[0]["id"] if batches else None
    return {"data": batches, "has_more": page.next_token is not None, "first_id": first, "last_id": page.next_token}


ANTHROPIC = VendorFake(
    vendor=VENDORS["anthropic"], encode=batch_of, decode=read_batch, page=page_of, token="after_id", size="limit"
)
