"""Owns which of the pages shows what events are about: a job's, a receiver's, that of the accounts."""

from collections.abc import Sequence

from tracker.core.events.headline import EventJson, job_of
from tracker.core.events.page_path import page_path


def page_url(events: Sequence[EventJson], external_url: str | None) -> str:
    """The URL of the page of their common subject, that of all jobs if they have several; "" without `external_url`."""
    if external_url is None:
        return ""
    paths = set(map(_path_of, events))
    return external_url + (paths.pop() if len(paths) == 1 else "/")


def _path_of(event: EventJson) -> str:
    type_, data = event["type"], event["data"]
    job = job_of(event)
    return page_path(type_, event["account"], job.id if job else str(data.get(type_.partition(".")[0], "")))
