"""Owns when an answer is believed that is behind the known state of its job: never of a terminal job, else when confirmed.

It is confirmed when every answer for `CONFIRMED_AFTER` is behind the known state and none is behind the answer before it. So a
job that moves is followed, and a replica that lags is not: it catches up earlier.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tracker.core.events.job_diff import Known, is_behind
from tracker.core.jobs.job import Job

CONFIRMED_AFTER: Final = 5_000
"""Milliseconds for which answers behind the known state have to be confirmed: no replica of a working API lags as long."""


class Doubt(msgspec.Struct, frozen=True):
    """The last answer behind the known state of its job, and when the first of these answers came (Unix milliseconds)."""

    job: Job
    since: int


class StaleAnswers:
    """The answers of one sweep that are behind the known state of their jobs."""

    def __init__(self, before: Mapping[str, Doubt]) -> None:
        """`before` are the doubts that the sweeps before have left."""
        self.count = 0
        self._before = before
        self.jobs: dict[str, Job] = {}  # the doubted answers, of jobs that this sweep never showed otherwise

    def add(self, job: Job, known: Known, *, was_shown: bool) -> None:
        """Keep an answer; `was_shown` is whether this sweep has shown the job before. The one furthest behind counts."""
        self.count += 1
        other = self.jobs.get(job.id)
        is_worse = is_behind(other, job) if other else not was_shown
        if is_worse and known.active:
            self.jobs[job.id] = job

    def discard(self, job_id: str) -> None:
        """The sweep has shown the job as it is known, or further: nothing is doubted."""
        self.jobs.pop(job_id, None)

    def conclude(self, now: int) -> tuple[list[Job], dict[str, Doubt]]:
        """The answers that are believed now, and the doubts that remain of this sweep."""
        doubts = {id_: self._doubt(job, now) for id_, job in self.jobs.items()}
        confirmed = [doubts.pop(id_).job for id_ in list(doubts) if self._is_confirmed(doubts[id_], now)]
        self.count -= len(confirmed)
        return confirmed, doubts

    def _doubt(self, job: Job, now: int) -> Doubt:
        """The doubt about this answer: as old as the one before, unless the answer is behind that one too."""
        before = self._before.get(job.id)
        if before is None or is_behind(job, before.job):
            return Doubt(job, now)
        return Doubt(job, min(before.since, now))

    def _is_confirmed(self, doubt: Doubt, now: int) -> bool:
        return doubt.job.id in self._before and now - doubt.since >= CONFIRMED_AFTER
