"""Owns what Slack is sent: a message for one event, a job's card, and the lines of the thread below it.

An event is the dict of its JSON, as the log has it; a job is read from it again, and never trusted to be well-formed.
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
    facts,
    header,
    line,
    listed,
    moment,
    ours,
    payload,
    plain,
    section,
    shown,
)

EventJson = Mapping[str, Any]

MOST_LINES: Final = 10
"""Of a list in a message: metadata, errors, events."""

_CELLS: Final = 20
_LONGEST_THREAD_LINE: Final = 280
_LONGEST_FALLBACK: Final = 400
_LATEST: Final = 253_402_300_799
"""Unix seconds, the end of the year 9999."""


def message(event: EventJson) -> Payload:
    """One event as a message of its own."""
    job = job_of(event)
    words = headline(event)
    about = _about_job(event, job) if job else _about_other(event["data"])
    foot = [ours(moment(event["created_at"])), plain(line(f"{event['type']} {event['id']}"))]
    said = summary.with_reason(_with_model(words, job), event["data"]) if job else words
    return payload(line(said, _LONGEST_FALLBACK), [header(words), *about, context(*foot)])


def card(job_data: Mapping[str, Any], *, now_ms: int, eta: str | None = None, deleted: bool = False) -> Payload:
    """How a job stands at `now_ms` (Unix milliseconds), one message that is updated in place. `eta` is ISO 8601."""
    job, now = read_job(job_data), now_ms // 1000
    if not isinstance(job, Job):
        return payload(line(job.reason), [header("Batch that cannot be read"), section(line(job.reason))])
    over = deleted or is_terminal(job.status)
    words = "Batch deleted" if deleted else summary.summarize_status(job)
    blocks = [
        header(words),
        *_errors(job_data),
        *_progress(job),
        *facts(("Status", job.status), ("Took", _duration(job)) if over else _so_far(job, now)),
        *_ending(None if over else eta, now),
        *_about(job),
        context(ours(f"Updated {moment(now)}"), plain(line(job.id))),
    ]
    said = words if job.status == SUCCESS else f"{words}, {summary.describe_progress(job)}"
    return payload(line(summary.with_reason(_with_model(said, job), job_data), _LONGEST_FALLBACK), blocks)


def thread_line(event: EventJson) -> str:
    """What happened, escaped, as one line of the thread below the card."""
    changes = event.get("changes") or {}
    words = headline(event)
    if event["type"] == "batch.updated" and changes:
        words = "Batch updated: " + "; ".join(f"{name}: {_brief(was)} → {_brief(now)}" for name, (was, now) in changes.items())
    elif changes.get("status", [None])[0]:
        words = f"{words} (it was {changes['status'][0]})"
    if job_of(event):
        words = summary.with_reason(words, event["data"])
    return line(words, _LONGEST_THREAD_LINE)


def thread(events: Sequence[EventJson]) -> Payload:
    """What happened to one job, a line for each of the last `MOST_LINES` events."""
    told = "\n".join(map(thread_line, events[-MOST_LINES:]))
    return payload(told, [section(told)])


def headline(event: EventJson) -> str:
    """The verdict on an event, not escaped."""
    job = job_of(event)
    if job is None:
        return summary.summarize_other_event(event["type"], event["data"])
    return summary.summarize_job_event(event["type"], job, event.get("changes") or {})


def job_of(event: EventJson) -> Job | None:
    """The job that an event is about; None where it is about none, or one that cannot be read."""
    job = read_job(event["data"]) if event["type"].startswith("batch.") else None
    return job if isinstance(job, Job) else None


def _about_job(event: EventJson, job: Job) -> Iterator[Block]:
    yield from _errors(event["data"])
    yield from _progress(job)
    yield from _about(job, ("Duration", _duration(job)), ("Account", event["account"]), ("Job", job.id))


def _about(job: Job, *first: tuple[str, object]) -> Iterator[Block]:
    yield from facts(
        *first,
        ("Model", job.model),
        ("Endpoint", job.endpoint),
        ("Output file", job.output_file),
        ("Error file", job.error_file),
    )
    yield from listed("Metadata", _few([f"{name}: {shown(value)}" for name, value in (job.metadata or {}).items()]))


def _errors(data: Mapping[str, Any]) -> Iterator[Block]:
    """Why a job went wrong, before all else."""
    yield from listed("Errors", error_sentences(data, MOST_LINES))


def _about_other(data: Mapping[str, Any]) -> Iterator[Block]:
    yield from listed("Details", _few([f"{name}: {shown(value)}" for name, value in data.items() if value not in ("", None)]))


def _progress(job: Job) -> Iterator[Block]:
    """A bar of succeeded, failed and open requests, and what it stands for; nothing until they have been counted."""
    if job.status == SUCCESS and outcome(job) == "all_failed":
        yield section("The API reports SUCCESS, but not one request succeeded.")
    if not job.total_requests:
        return
    failed = min(_CELLS, max(job.failed_requests * _CELLS // job.total_requests, int(job.failed_requests > 0)))
    succeeded = min(_CELLS - failed, job.succeeded_requests * _CELLS // job.total_requests)
    bar = "█" * succeeded + "▒" * failed + "░" * (_CELLS - succeeded - failed)
    percent = min(100, job.completed_requests * 100 // job.total_requests)
    yield section(f"{bar}  {percent} %")
    yield from facts(
        ("Done", f"{job.completed_requests:,} of {job.total_requests:,}"),
        ("Succeeded", f"{job.succeeded_requests:,}"),
        ("Failed", f"{job.failed_requests:,}"),
    )


def _duration(job: Job) -> str | None:
    """How long a job took that is over, from its start where it had one."""
    if job.completed_at is None or not is_terminal(job.status):
        return None
    return summary.format_duration(job.completed_at - (job.created_at if job.started_at is None else job.started_at))


def _so_far(job: Job, now: int) -> tuple[str, str]:
    if job.started_at is None:
        return "Waiting", summary.format_duration(now - job.created_at)
    return "Elapsed", summary.format_duration(now - job.started_at)


def _ending(eta: str | None, now: int) -> Iterator[Block]:
    """When the job is expected to end; an estimate that cannot be read, or is past, says nothing."""
    try:
        at = int(datetime.fromisoformat(eta or "").timestamp())
    except (ValueError, OverflowError):
        return
    if now < at <= _LATEST:
        yield context(ours(f"Expected to end {moment(at)}, in {summary.format_duration(at - now)}"))


def _with_model(words: str, job: Job | None) -> str:
    return f"{words} ({job.model})" if job and job.model else words


def _few(values: list[str]) -> list[str]:
    kept = values[:MOST_LINES]
    return [*kept, f"and {len(values) - MOST_LINES:,} more"] if len(values) > MOST_LINES else kept


def _brief(value: object) -> str:
    text = shown(value)
    return text if len(text) <= 40 else text[:39] + "…"
