"""Owns the summary of an event: one line that says what it means without the counters."""

from collections.abc import Mapping
from typing import Any, Final

from tracker.core.events.event import Changes, outcome
from tracker.core.events.event_type_table import BY_NAME, TYPE_OF_STATUS
from tracker.core.events.failure_share import AT_RISK
from tracker.core.jobs.job import Job
from tracker.core.jobs.native import counts_nothing_yet, provider_of
from tracker.core.jobs.request_errors import LONGEST_SUMMARY, error_summary
from tracker.core.jobs.status import QUEUED, RUNNING, SUCCESS, is_terminal
from tracker.core.text.one_line import to_text, truncate

_MAX_CHANGED: Final = 40
"""Characters of a value that has changed."""

_UNITS: Final = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))

_REASONS: Final[Mapping[str, str]] = {
    "unauthorised": "the key is refused",
    "not_enabled": "batch is not enabled for the workspace",
    "not_found": "the address is wrong",
    "rate_limited": "it limits the rate of requests",
    "rejected": "it refuses the requests",
    "refused": "it refuses the deliveries",
    "redirected": "it redirects to another address",
    "gone": "it wants no further deliveries",
    "server": "it answers with an error",
    "network": "it does not answer",
    "malformed": "its answers cannot be read",
}


MISSING_FILES: Final[Mapping[str, str]] = {
    "gone": "does not exist any more",
    "forbidden": "may not be read with this key",
    "too_large": "is larger than `max_file`",
    "failed": "could not be downloaded",
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
    counts = job.total_requests and not known.is_of_results
    words = f"{known.sentence}: {describe_progress(job)}" if counts else known.sentence
    return f"{words} ({_failed_percent(job)} %)" if type_ == AT_RISK else words


def summarize_result_event(type_: str, files: Any) -> str:
    """What an event about results means; `files` is what its JSON has, or nothing."""
    described = describe_result_files(files)
    return f"{BY_NAME[type_].sentence}: {described}" if described else BY_NAME[type_].sentence


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
    return with_sentence(words, failure_reason(data))


def with_sentence(words: str, sentence: str) -> str:
    """`words`, and a sentence behind them, if there is one."""
    return f"{words}{'. ' if ':' in words else ': '}{sentence}" if sentence else words


def summarize_success(job: Job) -> str:
    """What the status SUCCESS means by the counters: a batch in which no request succeeded has failed."""
    total, reached = job.total_requests, outcome(job)
    if total == 0 and reached != "empty":
        return _OF_FILES[reached]
    match reached:
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
    """What an event means that is about an account, a receiver or a replica, or that has an unknown type."""
    name = data.get(type_.partition(".")[0], "")
    reason = _REASONS.get(str(data.get("reason")), data.get("reason"))
    known = BY_NAME.get(type_)
    if known is None or known.subject == "batch":
        return f"Event {type_}"
    if known.subject == "silence":
        return f"{known.sentence}: {_describe_silence(data)}"
    words = known.sentence.format(name=name)
    if known.resolves:
        return words
    return (f"{words}: {reason}" if reason else words) + describe_waiting(data)


def describe_reminder(reminder: Any) -> str:
    """The `reminder` of an event: (reminder 2, first reported 2025-06-25 14:20 UTC); empty if it has none."""
    match reminder:
        case {"number": int(number), "first_at": str(first_at)}:
            return f" (reminder {number}, first reported {_minute(first_at)})"
    return ""


def describe_missed(data: Mapping[str, Any]) -> str:
    """What a silence has kept (the data of its end): 12 events were not sent: 2 failed, 10 succeeded."""
    missed, types = data.get("missed"), data.get("types")
    if not isinstance(missed, int) or not missed:
        return "nothing was missed"
    counted = [f"{number:,} {_counted_as(type_)}" for type_, number in types.items()] if isinstance(types, dict) else []
    events = "1 event was" if missed == 1 else f"{missed:,} events were"
    return f"{events} not sent ({', '.join(counted)})" if counted else f"{events} not sent"


def _counted_as(type_: str) -> str:
    known = BY_NAME.get(type_)
    return type_ if known is None else known.counted_as[:1].lower() + known.counted_as[1:]


def _describe_silence(data: Mapping[str, Any]) -> str:
    if "missed" in data:
        return describe_missed(data)
    return f"{data.get('scope', '')} until {data.get('until', '')}"


def describe_result_files(files: Any) -> str:
    """The `files` of an event about results: output file with 1,000 lines, error file does not exist any more."""
    return ", ".join(filter(None, map(_describe_file, files))) if isinstance(files, list) else ""


def describe_changes(changes: Mapping[str, Any]) -> str:
    """What became what, of the `changes` of an event or its JSON: "model: small → large; priority: 1 → 2"."""
    return "; ".join(f"{name}: {_abbreviate(was)} → {_abbreviate(now)}" for name, (was, now) in changes.items())


def describe_progress(job: Job) -> str:
    """How many requests are done: 900 of 1,000 requests done, 20 failed; how many there are where the API may not say more."""
    if counts_nothing_yet(provider_of(job.extra), job.status, job.completed_requests):
        return _requests(job.total_requests)
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


def describe_waiting(data: Mapping[str, Any]) -> str:
    """How many deliveries wait for a receiver that fails, and how long the first of them will be tried."""
    match data:
        case {"waiting": int(waiting), "dead_at": str(dead_at)} if waiting:
            return f"; {_deliveries(waiting)}, the first is given up at {_minute(dead_at)}"
        case {"waiting": int(waiting)} if waiting:
            return f"; {_deliveries(waiting)} until it is enabled"
    return ""


def _minute(iso: str) -> str:
    return f"{iso[:16].replace('T', ' ')} UTC"


def _deliveries(count: int) -> str:
    return "1 delivery waits" if count == 1 else f"{count:,} deliveries wait"


def _abbreviate(value: object) -> str:
    return truncate(to_text(value), _MAX_CHANGED)


def _describe_file(file: Any) -> str:
    """A result file, archived or missing, in a few words; nothing if they are not those of an event."""
    match file:
        case {"kind": kind, "lines": int(lines)}:
            return f"{kind} file with {lines:,} {'line' if lines == 1 else 'lines'}"
        case {"kind": kind, "reason": reason}:
            return f"{kind} file {MISSING_FILES.get(str(reason), reason)}"
    return ""


def _all_requests(total: int) -> str:
    return "its only request" if total == 1 else f"all {total:,} requests"


def _describe_rest(job: Job) -> str:
    """What happened to the requests that did not succeed; the API may count some as neither succeeded nor failed."""
    without_result = job.total_requests - job.succeeded_requests - job.failed_requests
    parts = [f"{job.failed_requests:,} failed"] if job.failed_requests else []
    return " and ".join([*parts, f"{without_result:,} without a result"] if without_result > 0 else parts)


def _failed_percent(job: Job) -> int:
    return job.failed_requests * 100 // max(job.succeeded_requests + job.failed_requests, 1)


def _requests(total: int) -> str:
    return "1 request" if total == 1 else f"{total:,} requests"


_OF_FILES: Final[Mapping[str, str]] = {
    "success": "Batch completed: it has results and no errors, but no counters",
    "partial": "Batch completed: it has results and errors, but no counters",
    "all_failed": "Batch failed: it has errors and no results, nor counters",
}
"""Of an API that does not say how many requests there were."""

_OF_STATUS: Final[Mapping[str, str]] = {status: type_.sentence for status, type_ in TYPE_OF_STATUS.items()} | {
    QUEUED: "Batch waiting",
    RUNNING: "Batch running",
}
