"""Owns the texts of a job on a terminal: status, color, progress and description, without control characters."""

from collections.abc import Mapping
from typing import Any, Final

from tracker.core.events.summary import failure_reason
from tracker.core.jobs.native import counts_nothing_yet, provider_of
from tracker.core.jobs.short_id import short_id as shortened
from tracker.core.jobs.status import SUCCESS, is_terminal
from tracker.core.jobs.title import job_title
from tracker.core.text.escaping import plain

_COLORS: Final[Mapping[str, str]] = {
    "QUEUED": "blue",
    "RUNNING": "cyan",
    "CANCELLATION_REQUESTED": "yellow",
    "SUCCESS": "green",
    "FAILED": "red",
    "TIMEOUT_EXCEEDED": "red",
    "CANCELLED": "yellow",
}


def status(job: Mapping[str, Any]) -> str:
    return "deleted" if job.get("deleted") else plain(job["status"])


def color(job: Mapping[str, Any]) -> str:
    """The color of its status; a SUCCESS with failed requests is not green."""
    if job.get("deleted"):
        return "magenta"
    if job["status"] == SUCCESS and job["failed_requests"]:
        return "red" if not job["succeeded_requests"] else "yellow"
    return _COLORS.get(job["status"], "magenta")


def progress(job: Mapping[str, Any]) -> str:
    """The number of completed requests and of all, or of all where the API may not say more; "-" until it has counted them."""
    total, done, failed = job["total_requests"], job["completed_requests"], job["failed_requests"]
    if not total:
        return "-" if not is_terminal(job["status"]) else "0 requests"
    if is_uncounted(job):
        return "1 request" if total == 1 else f"{total:,} requests"
    share = f"{done:,}/{total:,} {done * 100 // total} %"
    return f"{share}, {failed:,} failed" if failed else share


def is_uncounted(job: Mapping[str, Any]) -> bool:
    """Whether its counters may say nothing yet, so that a share of 0 % would be a guess."""
    return counts_nothing_yet(provider_of(job), job["status"], job["completed_requests"])


def about(job: Mapping[str, Any]) -> str:
    """Its failure reason, title and model, as far as known, in one line."""
    return " · ".join(each for each in (failure_reason(job), job_title(job), plain(job["model"] or "")) if each) or "-"


def short_id(job: Mapping[str, Any]) -> str:
    """The beginning of a job's ID, which is enough for `batch-tracker job`."""
    return shortened(plain(job["id"]))
