"""Owns the hints that wait for an account's poll loop: which jobs are polled before the next sweep, and when.

A hint says that a job may have changed, and no more. A job is polled at most once a second. Where more jobs wait than a sweep
costs, the sweep begins early instead. The API may lag behind its webhook: a job that has not ended is asked for again, twice.
"""

from collections.abc import Iterable
from enum import StrEnum
from math import inf
from typing import Final, NamedTuple

import anyio

MOST_WAITING: Final = 10
"""Jobs. A sweep shows a hundred with one request."""

POLLED_AGAIN_AFTER: Final = 1.0
"""Seconds between two hinted polls of one job."""

SECOND_LOOKS: Final = (5.0, 30.0)
"""Seconds from a poll that shows no end to the next one, likewise from a sweep in place of many. A new hint starts over."""


class SecondLook(NamedTuple):
    """When a job is asked for again, and the number of this look, from 1."""

    at: float
    number: int


class HintResult(StrEnum):
    """What became of a hint."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    OVERFLOW = "overflow"


class HintQueue:
    """The hints of one account, on the event loop's clock."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}  # by job, in the order in which they came
        self._polled: dict[str, float] = {}  # when, within the last second
        self._again: dict[str, SecondLook] = {}
        self._looks: dict[str, int] = {}  # how many second looks the jobs have had that were taken last
        self._sweeps: list[float] = []  # when further ones are to begin, after one in place of many polls
        self._added = anyio.Event()
        self.wants_sweep = False

    def add(self, job_id: str) -> HintResult:
        """Have the job polled soon, unless it already waits for that."""
        if self.wants_sweep:
            return HintResult.OVERFLOW
        if job_id in self._due:
            return HintResult.REPEATED
        self._again.pop(job_id, None)
        self._added.set()
        if len(self._due) >= MOST_WAITING:
            self._due.clear()
            self.wants_sweep = True
            return HintResult.OVERFLOW
        self._due[job_id] = max(anyio.current_time(), self._polled.get(job_id, -inf) + POLLED_AGAIN_AFTER)
        return HintResult.ACCEPTED

    def added(self) -> anyio.Event:
        """Set by the next hint. Take it before you read the others."""
        if self._added.is_set():
            self._added = anyio.Event()
        return self._added

    def next_due(self) -> float:
        """When the next job is to be polled; infinity if none waits."""
        return min((*self._due.values(), *(look.at for look in self._again.values())), default=inf)

    def take_due(self, most: int) -> list[str]:
        """At most `most` of the jobs that are due; they wait no longer, unless they are said to have `not_ended`."""
        now = anyio.current_time()
        due = [job_id for job_id, at in self._due.items() if at <= now][:most]
        again = [job_id for job_id, look in self._again.items() if look.at <= now][: most - len(due)]
        self._polled = {job_id: at for job_id, at in self._polled.items() if now - at < POLLED_AGAIN_AFTER}
        self._polled |= dict.fromkeys((*due, *again), now)
        for job_id in due:
            del self._due[job_id]
        self._looks = dict.fromkeys(due, 0) | {job_id: self._again.pop(job_id).number for job_id in again}
        return [*due, *again]

    def not_ended(self, job_ids: Iterable[str]) -> None:
        """Look again at these jobs, of those that were taken last: their polls have shown no end."""
        now = anyio.current_time()
        for job_id in job_ids:
            number = self._looks[job_id]
            if number < len(SECOND_LOOKS) and job_id not in self._due:
                self._again[job_id] = SecondLook(now + SECOND_LOOKS[number], number + 1)
        if len(self._again) > MOST_WAITING:
            self._again.clear()
            self._sweeps = [now + seconds for seconds in SECOND_LOOKS]

    def early_sweep_at(self) -> float:
        """When a sweep is to begin that shows what the polls of single jobs would; infinity if there is no need."""
        return -inf if self.wants_sweep else min(self._sweeps, default=inf)

    def sweep_begins(self) -> None:
        """What overflowed until now is shown by this sweep, and what that does not show yet by those after it."""
        now = anyio.current_time()
        planned = [now + seconds for seconds in SECOND_LOOKS] if self.wants_sweep else self._sweeps
        self._sweeps = [at for at in planned if at > now]
        self.wants_sweep = False
