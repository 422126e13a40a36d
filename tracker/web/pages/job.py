"""Owns the page `/jobs/{id}`: one job, its timeline, its progress, its deliveries, and its JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tracker.core.events.summary import format_duration, summarize_status
from tracker.core.jobs.job import Job, read_job, time_of
from tracker.core.jobs.request_errors import error_sentences
from tracker.core.jobs.status import FAILED, QUEUED, is_terminal
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import DeliveryFilter, EventFilter
from tracker.core.queries.pages import Span
from tracker.runtime.clock import now
from tracker.web.daemon_interface import Tracker
from tracker.web.pages.chart import HEIGHT, WIDTH, Chart, chart
from tracker.web.pages.formatting import UNKNOWN, absolute, moment, number, spaced
from tracker.web.pages.jobs import with_outlook
from tracker.web.pages.links import encoded_query
from tracker.web.pages.timeline import points, timeline

MAX_EVENTS: Final = 5000
MAX_TIMELINE_LINES: Final = 200
MAX_DELIVERIES: Final = 100
MAX_JSON_CHARACTERS: Final = 100_000
"""Characters."""

_OURS: Final = ("account", "deleted", "first_seen_at", "observed_at", "seq", "outcome", "deadline_at", "rate", "eta")
_ELSEWHERE: Final = (
    *("id", "object", "status", "metadata", "errors", "outputs", "created_at", "started_at", "completed_at"),
    *("total_requests", "completed_requests", "succeeded_requests", "failed_requests"),
)


async def job_page(reader: Reader, tracker: Tracker, found: Sequence[dict[str, Any]], account: str) -> dict[str, Any]:
    """What `job.html` shows of the job of `account` among those that were `found` by their id."""
    job = next(each for each in found if each["account"] == account)
    job = with_outlook(job, tracker)
    events = await _events(reader, job)
    moment_now = now() / 1000
    drawn = chart(list(points(events)), job["created_at"], moment(job["eta"]).timestamp() if job["eta"] else None)
    entries = timeline(events)
    page = await reader.deliveries_page(None, DeliveryFilter(job=job["id"]), MAX_DELIVERIES, newest_first=True)
    return {
        "job": job,
        "several_jobs": [each for each in found if each["account"] != account],
        "verdict": _verdict(job),
        "waited": _waited(job, moment_now),
        "stream": encoded_query(job=job["id"], account=job["account"]),
        "chart": drawn,
        "chart_width": WIDTH,
        "chart_height": HEIGHT,
        "chart_words": _in_words(drawn, moment_now) if drawn else "",
        "entries": entries[: -MAX_TIMELINE_LINES - 1 : -1],
        "cut": len(entries) > MAX_TIMELINE_LINES or len(events) >= MAX_EVENTS,
        "properties": list(_properties(job)),
        "errors": error_sentences(job),
        "errors_title": _errors_title(job),
        "unexplained": job["status"] == FAILED or (is_terminal(job["status"]) and job["failed_requests"] > 0),
        "deliveries": [each for each in page.deliveries if each["account"] == account],
        "raw": _raw(job),
    }


async def _events(reader: Reader, job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The newest events of the job, in the log's order."""
    which = EventFilter(job=job["id"], account=job["account"])
    page = await reader.events_page(Span(newest_first=True), which, MAX_EVENTS)
    return [json.loads(body) for _, body in reversed(page.events)]


def _verdict(job: Mapping[str, Any]) -> str:
    if job["deleted"]:
        return "The API no longer has this job; it is shown as it was last seen."
    known = read_job({name: value for name, value in job.items() if name not in _OURS})
    return spaced(summarize_status(known)) if isinstance(known, Job) else ""


def _waited(job: Mapping[str, Any], now: float) -> str:
    """How long it was queued, at `now` (Unix seconds); a job that runs without a time of its start does not tell."""
    until = time_of(job, "started_at") or time_of(job, "completed_at") or (now if job["status"] == QUEUED else None)
    return UNKNOWN if until is None else format_duration(until - job["created_at"])


def _errors_title(job: Mapping[str, Any]) -> str:
    if job["status"] == FAILED or job["outcome"] == "all_failed":
        return "Why it failed"
    return "Why requests failed" if job["failed_requests"] else "Errors"


def _in_words(drawn: Chart, now: float) -> str:
    first, last = drawn.points[0], drawn.points[-1]
    failed = f", {number(last.failed)} of them failed" if last.failed else ""
    return (
        f"From {number(first.completed)} requests completed at {absolute(first.at, now)}"
        f" to {number(last.completed)} of {number(last.total)} at {absolute(last.at, now)}{failed}."
    )


def _properties(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What is not shown elsewhere on the page; metadata first, for it is what people look for."""
    metadata = job.get("metadata")
    for name, value in metadata.items() if isinstance(metadata, dict) else ():
        yield f"metadata.{name}", _shown(value)
    for name, value in job.items():
        if name not in (*_OURS, *_ELSEWHERE) and value not in (None, [], {}, ""):
            yield name, _shown(value)
    yield "account", job["account"]


def _shown(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return "\n".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _raw(job: Mapping[str, Any]) -> str:
    text = json.dumps({name: value for name, value in job.items() if name not in _OURS}, ensure_ascii=False, indent=2)
    more = len(text) - MAX_JSON_CHARACTERS
    return text if more <= 0 else f"{text[:MAX_JSON_CHARACTERS]}\n… and {number(more)} characters more"
