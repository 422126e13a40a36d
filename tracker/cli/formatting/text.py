"""Owns how jobs and events are put into words: one line each, with its colour, and nothing that steers a terminal."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from tracker.core.events.summary import failure_reason
from tracker.core.events.types import BY_NAME, END_TYPES
from tracker.core.jobs.status import SUCCESS, is_terminal
from tracker.core.jobs.title import job_title
from tracker.core.text.escaping import plain

__all__ = ["plain"]

_COLOURS: Final[Mapping[str, str]] = {
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


def colour(job: Mapping[str, Any]) -> str:
    """That of its status; a SUCCESS is only as green as its requests."""
    if job.get("deleted"):
        return "magenta"
    if job["status"] == SUCCESS and job["failed_requests"]:
        return "red" if not job["succeeded_requests"] else "yellow"
    return _COLOURS.get(job["status"], "magenta")


def progress(job: Mapping[str, Any]) -> str:
    """How many requests are done, of how many; nothing until the API has counted them."""
    total, done, failed = job["total_requests"], job["completed_requests"], job["failed_requests"]
    if not total:
        return "-" if not is_terminal(job["status"]) else "0 requests"
    share = f"{done:,}/{total:,} {done * 100 // total} %"
    return f"{share}, {failed:,} failed" if failed else share


def about(job: Mapping[str, Any]) -> str:
    """Why it went wrong, what its metadata calls it, and its model: what there is of that, in one line."""
    return " · ".join(each for each in (failure_reason(job), job_title(job), plain(job["model"] or "")) if each) or "-"


def rate(per_second: float) -> str:
    """Requests in the unit that makes a readable number: 12.3/s, 40/min."""
    if per_second >= 1:
        return f"{per_second:,.1f}/s" if per_second < 100 else f"{per_second:,.0f}/s"
    return f"{per_second * 60:.1f}/min"


def moment(iso: str) -> str:
    """An ISO 8601 time as this machine's wall clock shows it: 2025-06-25 16:20:10."""
    return datetime.fromisoformat(iso).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def short_id(job: Mapping[str, Any]) -> str:
    """The beginning of a job's ID, which is enough for `batch-tracker job`."""
    return plain(job["id"])[:8]


def subject(event: Mapping[str, Any], *, short: bool) -> str:
    """What the event is about: a job, by its ID, an account or a receiver, by its name."""
    data = event["data"]
    if event["type"].startswith("batch."):
        return short_id(data) if short else plain(data["id"])
    return f"{plain(data.get('receiver', event['account'])):<8}"


def event_words(event: Mapping[str, Any]) -> str:
    """What happened: the type, and what there is to say of it."""
    type_, said = plain(event["type"]), details(event)
    return f"{type_:<18} {said}" if said else type_


def colour_of_event(event: Mapping[str, Any]) -> str:
    known = BY_NAME.get(event["type"])
    return colour(event["data"]) if event["type"] == "batch.completed" else (known.colour if known else "yellow")


def details(event: Mapping[str, Any]) -> str:
    """The details of an event, without its type."""
    return ", ".join(_details(event))


def _details(event: Mapping[str, Any]) -> Iterator[str]:
    job, changes = event["data"], event["changes"]
    if not event["type"].startswith("batch."):
        yield " ".join(plain(job[name]) for name in ("reason", "detail") if job.get(name))
        return
    if "outcome" in event:
        yield str(event["outcome"]).replace("_", " ")
    if event["type"] == "batch.created":
        yield " ".join(plain(job[name]) for name in ("model", "endpoint") if job.get(name))
    if reason := failure_reason(job):
        yield reason
    if event["type"] in ("batch.progress", *END_TYPES):
        yield progress(job)
    if event["type"] == "batch.unrecognized":
        yield plain(job["status"])
    if event["type"] == "batch.updated":
        yield from (f"{plain(name)}: {_short(was)} → {_short(is_)}" for name, (was, is_) in changes.items())


def _short(value: object) -> str:
    text = plain(value)
    return text if len(text) <= 40 else text[:39] + "…"
