"""Owns the page `/jobs/{id}`: one job, its timeline, its progress, its deliveries, and its JSON."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from tracker.core.events.summary import format_duration, summarize_status
from tracker.core.events.timeline import is_cut
from tracker.core.jobs.job import Job
from tracker.core.jobs.job_reading import read_job, time_of
from tracker.core.jobs.native import NATIVE, PROVIDER
from tracker.core.jobs.request_errors import error_sentences
from tracker.core.jobs.status import FAILED, QUEUED, is_terminal
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import DeliveryFilter, EventFilter
from tracker.core.queries.pagination import Span
from tracker.web.daemon_interface import Daemon
from tracker.web.forecasts import with_outlook
from tracker.web.pages.rendering.chart import HEIGHT, WIDTH, Chart, chart
from tracker.web.pages.rendering.formatting import UNKNOWN, absolute, moment, number, spaced
from tracker.web.pages.rendering.links import build_query
from tracker.web.pages.rendering.timeline import points, timeline
from tracker.web.pages.results import results_view

MAX_EVENTS: Final = 5000
MAX_TIMELINE_LINES: Final = 200
MAX_DELIVERIES: Final = 100
MAX_JSON_CHARACTERS: Final = 100_000
"""Characters."""

_OURS: Final = (
    "account",
    "provider",
    "deleted",
    "first_seen_at",
    "observed_at",
    "seq",
    "outcome",
    "deadline_at",
    "rate",
    "eta",
)
_ELSEWHERE: Final = (
    *(
        "native",
        "expires_at",
        "id",
        "object",
        "status",
        "metadata",
        "errors",
        "outputs",
        "created_at",
        "started_at",
        "completed_at",
    ),
    *("total_requests", "completed_requests", "succeeded_requests", "failed_requests"),
)


async def job_page(reader: Reader, daemon: Daemon, found: Sequence[dict[str, Any]], account: str) -> dict[str, Any]:
    """The variables of `job.html`, for the job of `account` among the jobs `found` by their ID."""
    job = next(each for each in found if each["account"] == account)
    job = await with_outlook(daemon, reader, job)
    events = await _events(reader, job)
    moment_now = daemon.now() / 1000
    drawn = chart(list(points(events)), job["created_at"], moment(job["eta"]).timestamp() if job["eta"] else None)
    entries = timeline(events)
    results = await reader.results(account, job["id"])
    page = await reader.deliveries_page(None, DeliveryFilter(job=job["id"]), MAX_DELIVERIES, newest_first=True)
    return {
        "job": job,
        "several_jobs": [each for each in found if each["account"] != account],
        "verdict": _summary(job),
        "waited": _queued_for(job, moment_now),
        "stream": build_query(job=job["id"], account=job["account"]),
        "chart": drawn,
        "chart_width": WIDTH,
        "chart_height": HEIGHT,
        "chart_words": _describe_chart(drawn, moment_now) if drawn else "",
        "entries": entries[: -MAX_TIMELINE_LINES - 1 : -1],
        "cut": len(entries) > MAX_TIMELINE_LINES or len(events) >= MAX_EVENTS,
        "archived": len(events) < MAX_EVENTS and is_cut(events, await reader.first_seq()),
        "properties": list(_properties(job)),
        "errors": error_sentences(job),
        "errors_title": _errors_title(job),
        "unexplained": job["status"] == FAILED or (is_terminal(job["status"]) and job["failed_requests"] > 0),
        "deliveries": [each for each in page.deliveries if each["account"] == account],
        "vendor_title": vendor.title if (vendor := daemon.vendors.get(job["provider"])) else job["provider"],
        "raw": _as_json({name: value for name, value in job.items() if name not in (*_OURS, NATIVE)}),
        "native": _as_json(job[NATIVE]) if NATIVE in job else "",
        **results_view(job, results),
    }


async def _events(reader: Reader, job: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The newest events of the job, in the log's order."""
    which = EventFilter(job=job["id"], account=job["account"])
    page = await reader.events_page(Span(newest_first=True), which, MAX_EVENTS)
    return [json.loads(body) for _, body in reversed(page.events)]


def _summary(job: Mapping[str, Any]) -> str:
    if job["deleted"]:
        return "The API no longer has this job; it is shown as it was last seen."
    known = read_job({name: value for name, value in job.items() if name not in _OURS})
    return spaced(summarize_status(known)) if isinstance(known, Job) else ""


def _queued_for(job: Mapping[str, Any], now: float) -> str:
    """How long the job was queued, at `now` (Unix seconds); unknown for a running job without a start time."""
    until = time_of(job, "started_at") or time_of(job, "completed_at") or (now if job["status"] == QUEUED else None)
    return UNKNOWN if until is None else format_duration(until - job["created_at"])


def _errors_title(job: Mapping[str, Any]) -> str:
    if job["status"] == FAILED or job["outcome"] == "all_failed":
        return "Why it failed"
    return "Why requests failed" if job["failed_requests"] else "Errors"


def _describe_chart(drawn: Chart, now: float) -> str:
    first, last = drawn.points[0], drawn.points[-1]
    failed = f", {number(last.failed)} of them failed" if last.failed else ""
    return (
        f"From {number(first.completed)} requests completed at {absolute(first.at, now)}"
        f" to {number(last.completed)} of {number(last.total)} at {absolute(last.at, now)}{failed}."
    )


def _properties(job: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The properties that are not shown elsewhere on the page, metadata first."""
    metadata = job.get("metadata")
    for name, value in metadata.items() if isinstance(metadata, dict) else ():
        yield f"metadata.{name}", _as_text(value)
    for name, value in job.items():
        if name not in (*_OURS, *_ELSEWHERE) and value not in (None, [], {}, ""):
            yield name, _as_text(value)
    yield "account", job["account"]
    yield PROVIDER, job[PROVIDER]


def _as_text(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(each, str) for each in value):
        return "\n".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, indent=2)
    more = len(text) - MAX_JSON_CHARACTERS
    return text if more <= 0 else f"{text[:MAX_JSON_CHARACTERS]}\n… and {number(more)} characters more"
