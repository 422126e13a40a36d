"""Owns the messages to Slack: one for an event, a job's card, and the lines of the thread below it.

An event is the dict of its JSON, as in the log. Its job is parsed again and may be malformed.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from tracker.core.events import summary
from tracker.core.events.event import outcome
from tracker.core.events.event_type_table import RESULT_TYPES
from tracker.core.events.headline import EventJson, headline, job_of, state_headline
from tracker.core.events.message_text import duration, event_text, state_text
from tracker.core.events.silence_text import about_silence, missed_jobs
from tracker.core.jobs.job import Job
from tracker.core.jobs.job_reading import read_job
from tracker.core.jobs.native import counts_nothing_yet, named_vendor, provider_of
from tracker.core.jobs.status import SUCCESS, is_terminal
from tracker.core.results.error_sentences import digest_summary, frequent_errors
from tracker.core.text.one_line import to_text
from tracker.delivery.notifiers.slack.block_limits_and_escaping import (
    Block,
    Payload,
    context,
    fields,
    header,
    line,
    local_date,
    mrkdwn,
    payload,
    plain_text,
    section,
    text_lines,
    titled_list,
)

Digest = Mapping[str, Any]
"""Why requests failed, as an event about results has it."""

MAX_LINES: Final = 10
"""Items of a list in a message: metadata, errors, events."""

_CELLS: Final = 20
_MAX_THREAD_LINE: Final = 280
_LATEST: Final = 253_402_300_799
"""Unix seconds, the end of the year 9999."""


def message(event: EventJson, external_url: str | None = None) -> Payload:
    """The message of one event; the jobs that the end of a silence names link to the pages at `external_url`."""
    job = job_of(event)
    words = headline(event)
    about = _job_details(event, job) if job else _other_details(event, external_url)
    foot = [mrkdwn(local_date(event["created_at"])), plain_text(line(f"{event['type']} {event['id']}"))]
    return payload(text_lines(event_text(event, external_url)), [header(words), *about, context(*foot)])


def card(event: EventJson, *, now_ms: int) -> Payload:
    """The state of the job of `event` at `now_ms` (Unix milliseconds), a message that is updated in place."""
    job, now = read_job(event["data"]), now_ms // 1000
    if not isinstance(job, Job):
        return payload(line(job.reason), [header("Batch that cannot be read"), section(line(job.reason))])
    over = event["type"] == "batch.deleted" or is_terminal(job.status)
    blocks = [
        header(state_headline(event, job)),
        *_errors(event["data"], event.get("digest")),
        *_progress(job),
        *fields(("Status", job.status), ("Took", duration(job)) if over else _elapsed(job, now)),
        *_estimated_end(None if over else event.get("eta"), now),
        *_job_fields(job),
        context(mrkdwn(f"Updated {local_date(now)}"), plain_text(line(job.id))),
    ]
    return payload(text_lines(state_text(event, job)), blocks)


def thread_line(event: EventJson) -> str:
    """An event as one escaped line of the thread below the card."""
    changes = event.get("changes") or {}
    words = headline(event)
    if event["type"] == "batch.updated" and changes:
        words = f"Batch updated: {summary.describe_changes(changes)}"
    elif changes.get("status", [None])[0]:
        words = f"{words} (it was {changes['status'][0]})"
    if job_of(event):
        words = _with_reason(words, event)
    return line(words, _MAX_THREAD_LINE)


def thread(events: Sequence[EventJson]) -> Payload:
    """The events of one job, a line for each of the last `MAX_LINES`."""
    text = "\n".join(map(thread_line, events[-MAX_LINES:]))
    return payload(text, [section(text)])


def _job_details(event: EventJson, job: Job) -> Iterator[Block]:
    yield from _errors(event["data"], event.get("digest"))
    yield from _progress(job)
    yield from _job_fields(job, ("Duration", duration(job)), ("Account", event["account"]), ("Job", job.id))


def _job_fields(job: Job, *first: tuple[str, object]) -> Iterator[Block]:
    yield from fields(
        *first,
        ("Vendor", named_vendor(job.extra)),
        ("Model", job.model),
        ("Endpoint", job.endpoint),
        ("Output file", job.output_file),
        ("Error file", job.error_file),
    )
    yield from titled_list("Metadata", _shorten([f"{name}: {to_text(value)}" for name, value in (job.metadata or {}).items()]))


def _errors(data: Mapping[str, Any], digest: Digest | None) -> Iterator[Block]:
    """The most frequent errors of a job, which come first."""
    yield from titled_list("Errors", frequent_errors(data, digest))


def _with_reason(words: str, event: EventJson) -> str:
    """`words` about a job, and why its requests failed: an event about results says that by its digest alone."""
    if event["type"] in RESULT_TYPES:
        return summary.with_sentence(words, digest_summary(event.get("digest")))
    return summary.with_reason(words, event["data"])


def _other_details(event: EventJson, external_url: str | None) -> Iterator[Block]:
    data = event["data"]
    if event["type"].startswith("silence."):
        yield from fields(*about_silence(data))
        yield from titled_list("Missed", [*missed_jobs(data, external_url)])
        return
    yield from titled_list(
        "Details", _shorten([f"{name}: {to_text(value)}" for name, value in data.items() if value not in ("", None)])
    )


def _progress(job: Job) -> Iterator[Block]:
    """A bar of succeeded, failed and open requests, with the numbers; no bar while these are unknown."""
    if job.status == SUCCESS and outcome(job) == "all_failed":
        yield section("The API reports SUCCESS, but not one request succeeded.")
    if not job.total_requests:
        return
    if counts_nothing_yet(provider_of(job.extra), job.status, job.completed_requests):
        yield from fields(("Requests", f"{job.total_requests:,}"))
        return
    failed = min(_CELLS, max(job.failed_requests * _CELLS // job.total_requests, int(job.failed_requests > 0)))
    succeeded = min(_CELLS - failed, job.succeeded_requests * _CELLS // job.total_requests)
    bar = "█" * succeeded + "▒" * failed + "░" * (_CELLS - succeeded - failed)
    percent = min(100, job.completed_requests * 100 // job.total_requests)
    yield section(f"{bar}  {percent} %")
    yield from fields(
        ("Done", f"{job.completed_requests:,} of {job.total_requests:,}"),
        ("Succeeded", f"{job.succeeded_requests:,}"),
        ("Failed", f"{job.failed_requests:,}"),
    )


def _elapsed(job: Job, now: int) -> tuple[str, str]:
    if job.started_at is None:
        return "Waiting", summary.format_duration(now - job.created_at)
    return "Elapsed", summary.format_duration(now - job.started_at)


def _estimated_end(eta: str | None, now: int) -> Iterator[Block]:
    """The estimated end of the job; no block if the estimate is invalid or in the past."""
    try:
        at = int(datetime.fromisoformat(eta or "").timestamp())
    except (ValueError, OverflowError):
        return
    if now < at <= _LATEST:
        yield context(mrkdwn(f"Expected to end {local_date(at)}, in {summary.format_duration(at - now)}"))


def _shorten(values: list[str]) -> list[str]:
    kept = values[:MAX_LINES]
    return [*kept, f"and {len(values) - MAX_LINES:,} more"] if len(values) > MAX_LINES else kept
