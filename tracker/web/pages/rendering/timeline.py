"""Owns the timeline of a job: its events with the gaps between them; consecutive progress events are one line."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import inf
from typing import Any, Final, NamedTuple

from tracker.core.events.event_type_table import END_TYPES, RESULT_TYPES
from tracker.core.events.summary import (
    describe_reminder,
    failure_reason,
    format_duration,
    summarize_job_event,
    summarize_other_event,
    summarize_result_event,
    with_reason,
)
from tracker.core.events.timeline import progress_words, seconds_between, steps
from tracker.core.jobs.job import Job
from tracker.core.jobs.job_reading import read_job, time_of
from tracker.web.pages.rendering.chart import Point
from tracker.web.pages.rendering.formatting import moment, spaced

LONG: Final = 0.2
"""The share of the whole duration from which on a gap is long."""


class Entry(NamedTuple):
    """One line: an event, or the last of several consecutive progress events and their number; `gap` is the time before it.

    `first` is the seq of the first of them, which identifies the line while it grows.
    """

    first: int
    event: Mapping[str, Any]
    words: str
    times: int
    gap: str
    is_long: bool


def timeline(events: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """The events, in the order of the log, as lines."""
    whole = seconds_between(events[0], events[-1]) if events else 0
    return [
        Entry(
            first=step.first["seq"],
            event=step.last,
            words=words(step.last) if step.times == 1 else spaced(progress_words(step)),
            times=step.times,
            gap=format_duration(step.gap) if step.gap >= 1 else "",
            is_long=whole > 0 and step.gap >= max(10, whole * LONG),
        )
        for step in steps(events)
    ]


def words(event: Mapping[str, Any]) -> str:
    """The meaning of an event, in one line."""
    return _meaning(event) + describe_reminder(event.get("reminder"))


def _meaning(event: Mapping[str, Any]) -> str:
    type_, data = str(event["type"]), event["data"]
    if not type_.startswith("batch."):
        return summarize_other_event(type_, data)
    if type_ in RESULT_TYPES:
        return spaced(summarize_result_event(type_, event.get("files")))
    job = read_job(data)
    text = summarize_job_event(type_, job, event["changes"]) if isinstance(job, Job) else type_
    if type_ in END_TYPES and failure_reason(data):
        return with_reason(spaced(text), data)
    if text == f"Batch {type_.removeprefix('batch.')}":
        return ""  # the type already means that, as below
    return spaced(text.removeprefix("Batch created: ").removeprefix("Batch in progress: "))


def points(events: Iterable[Mapping[str, Any]]) -> Iterator[Point]:
    """The counters at each observation."""
    for event in events:
        data = event["data"]
        at = min(moment(event["observed_at"]).timestamp(), _ended_at(data))  # an end may be seen long after
        yield Point(at, data["total_requests"], data["completed_requests"], data["failed_requests"])


def _ended_at(data: Mapping[str, Any]) -> float:
    """When a job ended by the API; None if the API gives no end, or one before its begin."""
    at = time_of(data, "completed_at")
    return inf if at is None or at < data["created_at"] else at
