"""Owns the messages to Slack: one for an event, a job's card, and the lines of the thread below it.

An event is the dict of its JSON, as in the log. Its job is parsed again and may be malformed.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from tracker.core.events import summary
from tracker.core.events.event import outcome
from tracker.core.jobs.job import Job, read_job
from tracker.core.jobs.request_errors import error_sentences
from tracker.core.jobs.status import SUCCESS, is_terminal
from tracker.delivery.notifiers.slack.blocks import (
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
    titled_list,
    to_text,
)

EventJson = Mapping[str, Any]

MAX_LINES: Final = 10
"""Items of a list in a message: metadata, errors, events."""

_CELLS: Final = 20
_MAX_THREAD_LINE: Final = 280
_MAX_FALLBACK: Final = 400
_LATEST: Final = 253_402_300_799
"""Unix seconds, the end of the year 9999."""


def message(event: EventJson) -> Payload:
    """The message of one event."""
    job = job_of(event)
    words = headline(event)
    about = _job_details(event, job) if job else _other_details(event["data"])
    foot = [mrkdwn(local_date(event["created_at"])), plain_text(line(f"{event['type']} {event['id']}"))]
    fallback = summary.with_reason(_with_model(words, job), event["data"]) if job else words
    return payload(line(fallback, _MAX_FALLBACK), [header(words), *about, context(*foot)])


def card(job_data: Mapping[str, Any], *, now_ms: int, eta: str | None = None, deleted: bool = False) -> Payload:
    """The state of a job at `now_ms` (Unix milliseconds), a message that is updated in place. `eta` is ISO 8601."""
    job, now = read_job(job_data), now_ms // 1000
    if not isinstance(job, Job):
        return payload(line(job.reason), [header("Batch that cannot be read"), section(line(job.reason))])
    over = deleted or is_terminal(job.status)
    words = "Batch deleted" if deleted else summary.summarize_status(job)
    blocks = [
        header(words),
        *_errors(job_data),
        *_progress(job),
        *fields(("Status", job.status), ("Took", _duration(job)) if over else _elapsed(job, now)),
        *_estimated_end(None if over else eta, now),
        *_job_fields(job),
        context(mrkdwn(f"Updated {local_date(now)}"), plain_text(line(job.id))),
    ]
    fallback = words if job.status == SUCCESS else f"{words}, {summary.describe_progress(job)}"
    return payload(line(summary.with_reason(_with_model(fallback, job), job_data), _MAX_FALLBACK), blocks)


def thread_line(event: EventJson) -> str:
    """An event as one escaped line of the thread below the card."""
    changes = event.get("changes") or {}
    words = headline(event)
    if event["type"] == "batch.updated" and changes:
        words = "Batch updated: " + "; ".join(
            f"{name}: {_abbreviate(was)} → {_abbreviate(now)}" for name, (was, now) in changes.items()
        )
    elif changes.get("status", [None])[0]:
        words = f"{words} (it was {changes['status'][0]})"
    if job_of(event):
        words = summary.with_reason(words, event["data"])
    return line(words, _MAX_THREAD_LINE)


def thread(events: Sequence[EventJson]) -> Payload:
    """The events of one job, a line for each of the last `MAX_LINES`."""
    text = "\n".join(map(thread_line, events[-MAX_LINES:]))
    return payload(text, [section(text)])


def headline(event: EventJson) -> str:
    """The summary of an event, not escaped."""
    job = job_of(event)
    if job is None:
        return summary.summarize_other_event(event["type"], event["data"])
    return summary.summarize_job_event(event["type"], job, event.get("changes") or {})


def job_of(event: EventJson) -> Job | None:
    """The job of an event; None if it is about none, or the job is malformed."""
    job = read_job(event["data"]) if event["type"].startswith("batch.") else None
    return job if isinstance(job, Job) else None


def _job_details(event: EventJson, job: Job) -> Iterator[Block]:
    yield from _errors(event["data"])
    yield from _progress(job)
    yield from _job_fields(job, ("Duration", _duration(job)), ("Account", event["account"]), ("Job", job.id))


def _job_fields(job: Job, *first: tuple[str, object]) -> Iterator[Block]:
    yield from fields(
        *first,
        ("Model", job.model),
        ("Endpoint", job.endpoint),
        ("Output file", job.output_file),
        ("Error file", job.error_file),
    )
    yield from titled_list("Metadata", _shorten([f"{name}: {to_text(value)}" for name, value in (job.metadata or {}).items()]))


def _errors(data: Mapping[str, Any]) -> Iterator[Block]:
    """The errors of a job, which come first."""
    yield from titled_list("Errors", error_sentences(data, MAX_LINES))


def _other_details(data: Mapping[str, Any]) -> Iterator[Block]:
    yield from titled_list(
        "Details", _shorten([f"{name}: {to_text(value)}" for name, value in data.items() if value not in ("", None)])
    )


def _progress(job: Job) -> Iterator[Block]:
    """A bar of succeeded, failed and open requests, with the numbers; no block while the total is unknown."""
    if job.status == SUCCESS and outcome(job) == "all_failed":
        yield section("The API reports SUCCESS, but not one request succeeded.")
    if not job.total_requests:
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


def _duration(job: Job) -> str | None:
    """How long a job ran that has ended, from its start, or from its creation if it never started."""
    if job.completed_at is None or not is_terminal(job.status):
        return None
    return summary.format_duration(job.completed_at - (job.created_at if job.started_at is None else job.started_at))


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


def _with_model(words: str, job: Job | None) -> str:
    return f"{words} ({job.model})" if job and job.model else words


def _shorten(values: list[str]) -> list[str]:
    kept = values[:MAX_LINES]
    return [*kept, f"and {len(values) - MAX_LINES:,} more"] if len(values) > MAX_LINES else kept


def _abbreviate(value: object) -> str:
    text = to_text(value)
    return text if len(text) <= 40 else text[:39] + "…"
