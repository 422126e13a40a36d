"""Owns the progress histories of jobs, read from the log: the samples from which their rates are estimated."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from tracker.core.forecast.eta import History, Sample, extended
from tracker.core.jobs.status import RUNNING
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter

_PROGRESS_TYPES: Final = ("batch.started", "batch.progress")

Key = tuple[str, str]
"""A job's account and ID."""


class ProgressHistories:
    """The progress histories of the running jobs."""

    def __init__(self) -> None:
        self._histories: dict[Key, History] = {}
        self._loaded: set[Key] = set()

    def of(self, job: Mapping[str, Any]) -> History:
        return self._histories.get((job["account"], job["id"]), ())

    def add_event(self, event: Mapping[str, Any]) -> None:
        """Add the sample of an event. The history of a job that no longer runs is dropped."""
        if not event["type"].startswith("batch."):
            return
        key, job = (event["account"], event["data"]["id"]), event["data"]
        if job["status"] != RUNNING:
            self._histories.pop(key, None)
            self._loaded.discard(key)
        elif event["type"] in _PROGRESS_TYPES:
            sample = Sample(milliseconds(event["observed_at"]), job["completed_requests"])
            self._histories[key] = extended(self._histories.get(key, ()), sample)

    async def load(self, reader: Reader, job: Mapping[str, Any]) -> None:
        """Load the history of a job from the log, once."""
        key = (job["account"], job["id"])
        if key not in self._loaded and job["status"] == RUNNING:
            self._loaded.add(key)
            self._histories[key] = await load_history(reader, job)


async def load_history(reader: Reader, job: Mapping[str, Any]) -> History:
    """The whole history of a job, from the log."""
    history: History = ()
    after, which = 0, EventFilter(types=_PROGRESS_TYPES, job=job["id"], account=job["account"])
    while page := await reader.events(after, which):
        after = page[-1][0]
        for event in (json.loads(body) for _, body in page):
            history = extended(history, Sample(milliseconds(event["observed_at"]), event["data"]["completed_requests"]))
    return history


def milliseconds(iso: str) -> int:
    """An ISO 8601 time as Unix milliseconds."""
    return round(datetime.fromisoformat(iso).timestamp() * 1000)
