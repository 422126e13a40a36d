"""Owns the headline of an event, given its JSON: one line that says what it means."""

from collections.abc import Mapping
from typing import Any

from tracker.core.events import summary
from tracker.core.events.event_type_table import BY_NAME, RESULT_TYPES
from tracker.core.jobs.job import Job
from tracker.core.jobs.job_reading import read_job

EventJson = Mapping[str, Any]
"""The dict of an event's JSON, as in the log. Its job is parsed again and may be malformed."""


def headline(event: EventJson) -> str:
    """The summary of an event; text from elsewhere in it is as it came."""
    return _headline(event) + summary.describe_reminder(event.get("reminder"))


def _headline(event: EventJson) -> str:
    job = job_of(event)
    if job is None:
        return summary.summarize_other_event(event["type"], event["data"])
    if event["type"] in RESULT_TYPES:
        return summary.summarize_result_event(event["type"], event.get("files"))
    return summary.summarize_job_event(event["type"], job, event.get("changes") or {})


def state_headline(event: EventJson, job: Job) -> str:
    """How the `job` of an event stands after it, in one line; text from elsewhere in it is as it came."""
    return BY_NAME["batch.deleted"].sentence if event["type"] == "batch.deleted" else summary.summarize_status(job)


def job_of(event: EventJson) -> Job | None:
    """The job of an event; None if it is about none, or the job is malformed."""
    job = read_job(event["data"]) if event["type"].startswith("batch.") else None
    return job if isinstance(job, Job) else None
