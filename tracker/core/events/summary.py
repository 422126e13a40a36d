"""Owns the summary of an event: one line that says what it means without the counters."""

from collections.abc import Mapping
from typing import Any, Final

from tracker.core.events.event import Changes, outcome
from tracker.core.events.types import BY_NAME, TYPE_OF_STATUS
from tracker.core.jobs.job import Job
from tracker.core.jobs.request_errors import LONGEST_SUMMARY, error_summary
from tracker.core.jobs.status import QUEUED, RUNNING, SUCCESS, is_terminal

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))

_REASONS: Final[Mapping[str, str]] = {
    "unauthorised": "the key is refused",
    "not_enabled": "batch is not enabled for the workspace",
    "not_found": "the address is wrong",
    "rate_limited": "it asks for patience",
    "rejected": "it refuses the requests",
    "refused": "it refuses what it is sent",
    "redirected": "it has moved",
    "gone": "it wants no more",
    "server": "it has an error of its own",
    "network": "no answer comes back",
    "malformed": "what it answers cannot be read",
}


def summarize_job_event(type_: str, job: Job, changes: Changes) -> str:
    """What the event `type_` means for `job`, in one line."""
    if type_ == "batch.completed":
        return summarize_success(job)
    if type_ == "batch.created" and job.total_requests and not job.completed_requests:
        return f"Batch created: {_requests(job.total_requests)}"
    known = BY_NAME.get(type_)
    if known is None:
        return f"{type_}: {describe_progress(job)}"
    if type_ == "batch.unrecognized":
        return f"{known.sentence}: {job.status}"
    if type_ == "batch.updated":
        return f"{known.sentence}: {', '.join(changes)}" if changes else known.sentence
    return f"{known.sentence}: {describe_progress(job)}" if job.total_requests else known.sentence


def summarize_status(job: Job) -> str:
    """What the status of `job` means, in one line."""
    if job.status == SUCCESS:
        return summarize_success(job)
    return _OF_STATUS.get(job.status) or f"{BY_NAME['batch.unrecognized'].sentence}: {job.status}"


def failure_reason(data: Mapping[str, Any], longest: int = LONGEST_SUMMARY) -> str:
    """Why a job (its JSON) has failed, in one line; empty if it is active or the API gives no errors."""
    return error_summary(data, longest) if is_terminal(str(data.get("status"))) else ""


def with_reason(words: str, data: Mapping[str, Any]) -> str:
    """`words` about a job (its JSON), and its failure reason if there is one."""
    reason = failure_reason(data)
    return f"{words}{'. ' if ':' in words else ': '}{reason}" if reason else words


def summarize_success(job: Job) -> str:
    """What the status SUCCESS means by the counters: a batch in which no request succeeded has failed."""
    total = job.total_requests
    match outcome(job):
        case "success":
            return f"Batch completed: {_all_requests(total)} succeeded"
        case "partial":
            return f"Batch completed: {job.succeeded_requests:,} of {_requests(total)} succeeded, {_describe_rest(job)}"
        case "all_failed" if job.failed_requests >= total:
            return f"Batch failed: {_all_requests(total)} failed"
        case "all_failed":
            return f"Batch failed: none of {_requests(total)} succeeded"
        case "empty":
            return "Batch completed without a request"


def summarize_other_event(type_: str, data: Mapping[str, Any]) -> str:
    """What an event means that is about an account or a receiver, or that has an unknown type."""
    name = data.get("account" if type_.startswith("account.") else "receiver", "")
    reason = _REASONS.get(str(data.get("reason")), data.get("reason"))
    known = BY_NAME.get(type_)
    if known is None or known.subject == "batch":
        return f"Event {type_}"
    words = known.sentence.format(name=name)
    return words if known.resolves or not reason else f"{words}: {reason}"


def describe_progress(job: Job) -> str:
    """How many requests are done: 900 of 1,000 requests done, 20 failed."""
    counted = f"{job.completed_requests:,} of {_requests(job.total_requests)} done"
    return f"{counted}, {job.failed_requests:,} failed" if job.failed_requests else counted


def format_duration(seconds: float) -> str:
    """A duration by its two largest units: 3m 12s."""
    left = max(0, round(seconds))
    parts: list[str] = []
    for size, unit in _UNITS:
        number, left = divmod(left, size)
        if number or parts:
            parts.append(f"{number}{unit}")
    return " ".join(parts[:2]) or "0s"


def _all_requests(total: int) -> str:
    return "its only request" if total == 1 else f"all {total:,} requests"


def _describe_rest(job: Job) -> str:
    """What happened to the requests that did not succeed; the API may count some as neither succeeded nor failed."""
    without_result = job.total_requests - job.succeeded_requests - job.failed_requests
    said = [f"{job.failed_requests:,} failed"] if job.failed_requests else []
    return " and ".join([*said, f"{without_result:,} without a result"] if without_result > 0 else said)


def _requests(total: int) -> str:
    return "1 request" if total == 1 else f"{total:,} requests"


_OF_STATUS: Final[Mapping[str, str]] = {status: type_.sentence for status, type_ in TYPE_OF_STATUS.items()} | {
    QUEUED: "Batch waiting",
    RUNNING: "Batch running",
}
