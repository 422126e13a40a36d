"""The operations of Gemini's batches as the world of a property test has them."""

from datetime import UTC, datetime

from moving_api import UnorderedApi
from vendor_world import VendorFake

from tracker.core.jobs.status import is_terminal
from tracker.providers.gemini.job_mapping import read_operation
from tracker.providers.vendor_registry import VENDORS

_STATES = {
    "QUEUED": "PENDING",
    "RUNNING": "RUNNING",
    "CANCELLATION_REQUESTED": "CANCELLING",
    "SUCCESS": "SUCCEEDED",
    "FAILED": "FAILED",
    "CANCELLED": "CANCELLED",
    "TIMEOUT_EXCEEDED": "EXPIRED",
}
_COUNTS = {
    "requestCount": "total_requests",
    "successfulRequestCount": "succeeded_requests",
    "failedRequestCount": "failed_requests",
}


def operation_of(job):
    """The operation of a BatchJob's JSON, of which any property may be missing; a count of 0 is absent, as protobuf has it."""
    name, status, created = f"batches/{job['id'].removeprefix('batches/')}", job.get("status"), job.get("created_at")
    if status is None:
        return {"name": name, "metadata": {"state": 7}}
    over = is_terminal(status)
    batch = {
        "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
        "name": name,
        "model": f"models/{(job.get('model') or 'gemini').removeprefix('models/')}",
        "displayName": (job.get("metadata") or {}).get("displayName") or "nightly",
        "state": f"BATCH_STATE_{_STATES.get(status, status)}",
        "batchStats": {theirs: str(job[ours]) for theirs, ours in _COUNTS.items() if job.get(ours)},
        "endTime": _rfc3339(job.get("completed_at")) if over else None,
        "createTime": _rfc3339(created),
    }
    ends = {"error": {"code": 3, "message": "the input is wrong"}} if status == "FAILED" else {"response": {}}
    return {"name": name, "metadata": batch} | ({"done": True} | ends if over else {})


def _rfc3339(seconds):
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", ".123456789Z")


def page_of(operations, page):
    """Gemini's answer: an empty list is absent."""
    listed = {"operations": operations} if operations else {}
    return listed | ({"nextPageToken": page.next_token} if page.next_token else {})


GEMINI = VendorFake(
    vendor=VENDORS["gemini"],
    encode=operation_of,
    decode=read_operation,
    page=page_of,
    token="pageToken",
    size="pageSize",
    lists=UnorderedApi,
    job_id=lambda url: f"batches/{url.rpartition('/')[2]}",
)
