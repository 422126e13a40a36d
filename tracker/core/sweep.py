"""Owns what one sweep has seen, and what to believe of it: the rules against stale, shifted and half answers.

A sweep observes pages in any order, the same job perhaps more than once. What moves a job on is believed at once. What lies
behind what is known is held back until the sweep concludes: a terminal job stays as it is for good; for an active one the
answer is believed if the sweep before was given the very same, so that the provider has said it twice. The same holds for
"no such job", and for a property that an answer lacks. Absence from a list says nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tracker.core.diff import Change, Known, deletion, diff, first_seen, is_behind, without_losses
from tracker.core.failure import Failure
from tracker.core.job import Job, MalformedJob
from tracker.core.observed import as_tracked
from tracker.core.ports import Contact
from tracker.core.status import is_terminal


class Memory(msgspec.Struct, frozen=True):
    """What a sweep leaves to the next: answers not believed yet. Losing it (a restart) costs a sweep, nothing else."""

    behind: Mapping[str, Job] = {}
    gone: frozenset[str] = frozenset()


NOTHING: Final = Memory()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a sweep came to, in numbers. `failure` is why it was not whole; what it did see is recorded all the same.

    `backfilled` is how many jobs were over before the account was first contacted.
    """

    events: int
    shown: int
    stale: int
    malformed: tuple[MalformedJob, ...]
    failure: Failure | None
    backfilled: int = 0


class Sweep:
    """One sweep over an account. It is told what was seen and answers with the changes to record; it does no I/O."""

    def __init__(self, account: str, contact: Contact, window: int, memory: Memory = NOTHING) -> None:
        """`window` is the creation time (Unix seconds) from which on the sweep reads every new job."""
        self.account = account
        self.shown: set[str] = set()
        self.newest: int | None = None
        self.stale = 0
        self._contact = contact
        self._oldest_of_interest = min(window, contact.horizon)
        self._memory = memory
        self._behind: dict[str, Job] = {}  # of those shown, who was never shown otherwise
        self._gone: set[str] = set()

    def observe(self, jobs: Sequence[Job], known: Mapping[str, Known], now: int) -> list[Change]:
        """The changes that `jobs` bring to what is `known` of them (Unix milliseconds)."""
        if jobs:
            self.newest = max(self.newest or 0, *[job.created_at for job in jobs])
        changes: dict[str, Change] = {}
        for job in jobs:
            earlier = changes.get(job.id)
            before = earlier.known if earlier else known.get(job.id)
            if before and job == before.job and not before.deleted:  # as most are
                self._behind.pop(job.id, None)
            elif change := self._observe(job, before, now):
                changes[job.id] = _joined(earlier, change) if earlier else change
            self.shown.add(job.id)
        return list(changes.values())

    def missing(self, job_id: str) -> None:
        """The API said that it has no such job."""
        self._gone.add(job_id)

    def conclude(self, known: Mapping[str, Known], now: int) -> tuple[list[Change], Memory]:
        """The changes that are believed because the sweep before saw the same, and what the next one has to remember."""
        behind = dict(self._behind)
        repeated = {id_: behind.pop(id_) for id_, job in list(behind.items()) if self._is_repeated(job)}
        self.stale -= len(repeated)
        gone = self._gone - self.shown
        changes = [
            *(diff(self.account, known[id_], job, now) for id_, job in repeated.items()),
            *(deletion(self.account, known[id_], now) for id_ in gone & self._memory.gone),
        ]
        return [change for change in changes if change], self._next_memory(behind, gone)

    def _observe(self, job: Job, known: Known | None, now: int) -> Change | None:
        job = as_tracked(job, known.job if known else None, now)
        if known is None:
            return self._first_seen(job, now)
        if not (known.deleted or is_behind(job, known.job)):
            self._behind.pop(job.id, None)
            return diff(self.account, known, without_losses(job, known.job), now)
        self._hold_back(job, known)
        return None

    def _first_seen(self, job: Job, now: int) -> Change | None:
        over = is_terminal(job.status)
        if over and job.created_at < self._oldest_of_interest:
            return None
        return first_seen(self.account, job, now, backfilled=over and self._was_over_before_us(job))

    def _was_over_before_us(self, job: Job) -> bool:
        """Only while the first reading is not whole; later on every job is news, whatever the clocks say."""
        ended_at = job.created_at if job.completed_at is None else job.completed_at
        return self._contact.watermark is None and ended_at * 1000 <= self._contact.since

    def _hold_back(self, job: Job, known: Known) -> None:
        self.stale += 1
        other = self._behind.get(job.id)
        is_worse = is_behind(other, job) if other else job.id not in self.shown
        if is_worse and (known.deleted or known.active):
            self._behind[job.id] = job

    def _is_repeated(self, job: Job) -> bool:
        before = self._memory.behind.get(job.id)
        return before == job

    def _next_memory(self, behind: dict[str, Job], gone: set[str]) -> Memory:
        """What was not contradicted stays in doubt: half a sweep says nothing about the jobs that it did not show."""
        unseen = {id_: job for id_, job in self._memory.behind.items() if id_ not in self.shown}
        unasked = self._memory.gone - self.shown - gone
        return Memory(unseen | behind, frozenset((gone - self._memory.gone) | unasked))


def _joined(first: Change, second: Change) -> Change:
    return msgspec.structs.replace(second, events=first.events + second.events, backfilled=first.backfilled)
