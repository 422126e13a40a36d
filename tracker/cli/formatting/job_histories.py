"""Owns how fast jobs go by what the log says of them."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from tracker.core.forecast.eta import History, Sample, extended
from tracker.core.jobs.status import RUNNING
from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter

_TELLING: Final = ("batch.started", "batch.progress")

Key = tuple[str, str]
"""A job's account and ID."""


class Histories:
    """How far the jobs were when."""

    def __init__(self) -> None:
        self._histories: dict[Key, History] = {}
        self._recalled: set[Key] = set()

    def of(self, job: Mapping[str, Any]) -> History:
        return self._histories.get((job["account"], job["id"]), ())

    def note(self, event: Mapping[str, Any]) -> None:
        """Take what an event says; of a job that does not run any more, nothing is kept."""
        if not event["type"].startswith("batch."):
            return
        key, job = (event["account"], event["data"]["id"]), event["data"]
        if job["status"] != RUNNING:
            self._histories.pop(key, None)
            self._recalled.discard(key)
        elif event["type"] in _TELLING:
            sample = Sample(milliseconds(event["observed_at"]), job["completed_requests"])
            self._histories[key] = extended(self._histories.get(key, ()), sample)

    async def recall(self, reader: Reader, job: Mapping[str, Any]) -> None:
        """Learn from the log, once, what it said of a job before it was noted."""
        key = (job["account"], job["id"])
        if key not in self._recalled and job["status"] == RUNNING:
            self._recalled.add(key)
            self._histories[key] = await recalled(reader, job)


async def recalled(reader: Reader, job: Mapping[str, Any]) -> History:
    """The whole history of a job, by the log."""
    history: History = ()
    after, which = 0, EventFilter(types=_TELLING, job=job["id"], account=job["account"])
    while page := await reader.events(after, which):
        after = page[-1][0]
        for event in (json.loads(body) for _, body in page):
            history = extended(history, Sample(milliseconds(event["observed_at"]), event["data"]["completed_requests"]))
    return history


def milliseconds(iso: str) -> int:
    """An ISO 8601 time as Unix milliseconds."""
    return round(datetime.fromisoformat(iso).timestamp() * 1000)
