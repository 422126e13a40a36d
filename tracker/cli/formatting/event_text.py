"""Owns the texts of an event on a terminal: its subject, its description and its color, without control characters."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from tracker.cli.formatting import job_description
from tracker.core.events.event_type_table import BY_NAME, END_TYPES, RESULT_TYPES, TYPES
from tracker.core.events.failure_share import AT_RISK
from tracker.core.events.summary import describe_reminder, describe_result_files, describe_waiting, failure_reason
from tracker.core.text.escaping import plain

TYPE_WIDTH: Final = max(map(len, TYPES))
"""Columns of an event's type, so that the details of all events are aligned."""


def subject(event: Mapping[str, Any], *, short: bool) -> str:
    """The subject of the event: the ID of a job, or the name of an account, a receiver or a replica."""
    data = event["data"]
    if event["type"].startswith("batch."):
        return job_description.short_id(data) if short else plain(data["id"])
    return f"{plain(data.get(event['type'].partition('.')[0], event['account'])):<8}"


def event_words(event: Mapping[str, Any]) -> str:
    """The type of the event and its details."""
    type_, text = plain(event["type"]), details(event)
    return f"{type_:<{TYPE_WIDTH}} {text}" if text else type_


def color_of_event(event: Mapping[str, Any]) -> str:
    known = BY_NAME.get(event["type"])
    return job_description.color(event["data"]) if event["type"] == "batch.completed" else (known.color if known else "yellow")


def details(event: Mapping[str, Any]) -> str:
    """The details of an event, without its type."""
    return ", ".join(_details(event)) + plain(describe_reminder(event.get("reminder")))


def _details(event: Mapping[str, Any]) -> Iterator[str]:
    job, changes = event["data"], event["changes"]
    if not event["type"].startswith("batch."):
        yield " ".join(plain(job[name]) for name in ("reason", "detail") if job.get(name)) + plain(describe_waiting(job))
        return
    if "outcome" in event:
        yield str(event["outcome"]).replace("_", " ")
    if event["type"] in RESULT_TYPES:
        yield plain(describe_result_files(event.get("files")))
        return
    if event["type"] == "batch.created":
        yield " ".join(plain(job[name]) for name in ("provider", "model", "endpoint") if job.get(name))
    if reason := failure_reason(job):
        yield reason
    if event["type"] in ("batch.progress", AT_RISK, *END_TYPES):
        yield job_description.progress(job)
    if event["type"] == "batch.unrecognized":
        yield plain(job["status"])
    if event["type"] == "batch.updated":
        yield from (f"{plain(name)}: {_short(was)} → {_short(is_)}" for name, (was, is_) in changes.items())


def _short(value: object) -> str:
    text = plain(value)
    return text if len(text) <= 40 else text[:39] + "…"
