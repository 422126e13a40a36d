"""OpenAI's Batch objects as the world of a property test has them."""

from moving_api import ManagedApi, PlacesApi, SinglePageApi
from vendor_world import VendorFake

from tracker.providers.openai.job_mapping import read_batch
from tracker.providers.vendor_registry import VENDORS
from tracker.simulator.vendors.openai.batch_objects import STATUSES

_COUNTS = {"total_requests": "total", "succeeded_requests": "completed", "failed_requests": "failed"}
_ENDS = ("completed", "failed", "expired", "cancelled")


def batch_of(job):
    """The batch of a BatchJob's JSON, of which any property may be missing."""
    status = STATUSES.get(job.get("status"), job.get("status"))
    batch = {
        "id": job["id"],
        "object": "batch",
        "endpoint": job.get("endpoint"),
        "model": job.get("model"),
        "errors": {"object": "list", "data": job["errors"]} if job.get("errors") else None,
        "input_file_id": next(iter(job.get("input_files") or ()), ""),
        "completion_window": "24h",
        "status": status,
        "output_file_id": job.get("output_file"),
        "error_file_id": job.get("error_file"),
        "created_at": job.get("created_at"),
        "expires_at": job["created_at"] + 86400 if "created_at" in job else None,
        "in_progress_at": job.get("started_at"),
        "request_counts": {theirs: job[ours] for ours, theirs in _COUNTS.items() if ours in job},
        "metadata": job.get("metadata"),
    }
    return batch | {f"{end}_at": job.get("completed_at") if end == status else None for end in _ENDS}


def page_of(batches, page):
    """OpenAI's answer."""
    ids = [batch["id"] for batch in batches]
    ends = {"first_id": ids[0] if ids else None, "last_id": page.next_token or (ids[-1] if ids else None)}
    return {"object": "list", "data": batches, "has_more": page.next_token is not None, **ends}


_OPENAI = {"vendor": VENDORS["openai"], "encode": batch_of, "decode": read_batch}
_PAGES = {"token": "after", "size": "limit"}

OPENAI = VendorFake(**_OPENAI, **_PAGES, page=page_of)
LITELLM = VendorFake(**_OPENAI, **_PAGES, page=page_of, lists=ManagedApi)
GATEWAYS = {
    "groq": VendorFake(**_OPENAI, page=lambda batches, _: {"object": "list", "data": batches}, lists=SinglePageApi),
    "together": VendorFake(**_OPENAI, page=lambda batches, _: batches, lists=SinglePageApi),
    "llm-d": VendorFake(**_OPENAI, **_PAGES, page=page_of, lists=PlacesApi),
}
"""What is shaped like it: Groq and Together have the whole list in one answer, llm-d takes a number of entries as `after`."""
