"""Owns what one sweep has seen, and what to believe of it: the rules against stale, shifted, half and early answers.

A sweep observes pages in any order, the same job perhaps more than once. What moves a job on is believed at once.

- What lies behind what is known is doubted. A terminal job stays as it is for good. For an active one the answer is believed
  once later sweeps confirm it for `CONFIRMED_AFTER`: every answer since lies behind what is known, and none lies behind the
  answer before it. A job that moves is followed that way, and a replica that lags is not: it catches up before.
- "No such job" is believed when it is repeated at least `DELETED_AFTER` later. Many at once, or while the account shows
  nothing that it showed before, are trouble of the account: then it takes `MANY_DELETED_AFTER`, or `ALL_DELETED_AFTER`.
- A SUCCESS that cannot be complete waits for `settle_for`.
- Absence from a list says nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.job_diff import Change, Known, deletion, diff, first_seen, is_behind, without_losses
from tracker.core.jobs.job import Job
from tracker.core.jobs.partial import as_tracked
from tracker.core.jobs.status import SUCCESS, is_terminal
from tracker.core.ports.store import Checkpoint
from tracker.core.reconciliation.recheck_schedule import DAY, HOUR, MINUTE, Recheck

CONFIRMED_AFTER: Final = 5_000
"""Milliseconds for which answers that lie behind have to be confirmed: no replica of an API that works lags as long."""

DELETED_AFTER: Final = MINUTE
MANY_DELETED_AFTER: Final = HOUR
ALL_DELETED_AFTER: Final = DAY

CERTAINLY_BEFORE: Final = MINUTE
"""Milliseconds before the first contact: what ended then and could not be read at first is no news when it can be."""

MANY: Final = 5
"""So many jobs may be missing at once before the account is suspected."""

WITNESSES: Final = 100
"""So many of the jobs that a sweep showed are remembered: an account that shows none of them answers otherwise than it did."""


class Doubt(msgspec.Struct, frozen=True):
    """The last answer that lies behind what is known of its job, and when the first of its row came (Unix milliseconds)."""

    job: Job
    since: int


class Settling(msgspec.Struct, frozen=True):
    """The last answer of a SUCCESS that cannot be complete, since when it is so, and when it was last asked for."""

    job: Job
    recheck: Recheck

    def asked_again(self, now: int) -> "Settling":
        return Settling(self.job, self.recheck.again(now))


class Memory(msgspec.Struct, frozen=True):
    """What a sweep leaves to the next: answers not believed yet. Losing it (a restart) costs time, nothing else.

    `witnesses` are jobs that the account showed. `strangers` are those that it has shown only since it shows none of them.
    """

    behind: Mapping[str, Doubt] = {}
    missing: Mapping[str, Recheck] = {}
    settling: Mapping[str, Settling] = {}
    witnesses: frozenset[str] = frozenset()
    strangers: frozenset[str] = frozenset()


NOTHING: Final = Memory()


def cannot_be_complete(job: Job) -> bool:
    """Whether a SUCCESS is shown before all of it is: its counters are short of the total, or it lacks its results."""
    if job.status != SUCCESS:
        return False
    ended = min(job.completed_requests, job.succeeded_requests + job.failed_requests)
    return ended < job.total_requests or bool(job.succeeded_requests and not job.output_file and not job.outputs)


class Sweep:
    """One sweep over an account. It is given what was seen and answers with the changes to record; it does no I/O."""

    def __init__(
        self,
        account: str,
        checkpoint: Checkpoint,
        window: int,
        memory: Memory = NOTHING,
        *,
        settle_for: int = 0,
        clock_ahead: int = 0,
    ) -> None:
        """`window` is the creation time (Unix seconds) from which on the sweep reads every new job.

        `settle_for` is in milliseconds, as is `clock_ahead`: by how much the provider's clock is ahead of ours.
        """
        self.account = account
        self.shown: set[str] = set()
        self.newest: int | None = None
        self.stale = 0
        self.clock_ahead = clock_ahead
        self.knows_clock = False  # whether an answer of this sweep gave the provider's time
        self._checkpoint = checkpoint
        self._oldest_of_interest = min(window, checkpoint.horizon)
        self._memory = memory
        self._settle_for = settle_for
        self._behind: dict[str, Job] = {}  # of those shown, which were never shown otherwise
        self._missing: set[str] = set()
        self._recognized: set[str] = set()  # some of those shown that were known before
        self._settling = dict(memory.settling)

    @property
    def settling(self) -> Mapping[str, Settling]:
        """The jobs whose SUCCESS is not recorded yet, for it cannot be complete."""
        return self._settling

    def observe(self, jobs: Sequence[Job], known: Mapping[str, Known], now: int) -> list[Change]:
        """The changes that `jobs` bring to what is `known` of them (Unix milliseconds)."""
        if jobs:
            self.newest = max(self.newest or 0, *[job.created_at for job in jobs])
        changes: dict[str, Change] = {}
        for job in jobs:
            earlier = changes.get(job.id)
            before = earlier.known if earlier else known.get(job.id)
            if before and not earlier and self._is_recognized(job.id):
                self._recognized.add(job.id)
            if before and job == before.job and not before.deleted:  # as most are
                self._behind.pop(job.id, None)
            elif change := self._observe(job, before, now):
                changes[job.id] = _joined(earlier, change) if earlier else change
            self.shown.add(job.id)
        return list(changes.values())

    def missing(self, job_id: str) -> None:
        """The API said that it has no such job."""
        self._missing.add(job_id)

    def is_to_be_asked(self, job_id: str, now: int) -> bool:
        """Whether a job that no list shows is to be asked for by id: after a 404 not before the next one would count."""
        return job_id not in self._memory.missing or self._memory.missing[job_id].is_due(now, DELETED_AFTER)

    def suspicion(self) -> Failure | None:
        """Why 404s are not believed of the jobs for now: what the account answers is not what it answered before."""
        missing = self._all_missing()
        lost = not self._recognized and bool((self._memory.witnesses or missing) - missing or len(missing) > 1)
        if not missing or not (lost or len(missing) > MANY):
            return None
        jobs = f"{len(missing)} active job{'s' * (len(missing) > 1)}"
        shows = "shows no job that it showed before and " if lost else ""
        return Failure(Reason.JOBS_MISSING, f"it {shows}answers 404 for {jobs}; does the key belong to another workspace?")

    def conclude(self, known: Mapping[str, Known], now: int) -> tuple[list[Change], Memory]:
        """The changes that are believed now that all answers are there, and what the next sweep has to remember."""
        behind = {id_: self._doubt(job, now) for id_, job in self._behind.items()}
        confirmed = [id_ for id_, doubt in behind.items() if self._is_confirmed(doubt, now)]
        self.stale -= len(confirmed)
        missing = self._missing_since(now)
        asked = self._missing & missing.keys() - self._settling.keys()  # what has ended is not deleted
        deleted = {id_ for id_ in asked if missing[id_].age(now) >= self._deleted_after()}
        settled = self._take_settled(now)
        changes = [
            *(diff(self.account, known[id_], behind.pop(id_).job, now) for id_ in confirmed),
            *(deletion(self.account, known[id_], now) for id_ in deleted),
            *(self._end(job, known.get(id_), now) for id_, job in settled.items()),
        ]
        unseen = {id_: doubt for id_, doubt in self._memory.behind.items() if id_ not in self.shown}
        memory = Memory(
            behind=unseen | behind,  # half a sweep says nothing about the jobs that it did not show
            missing={id_: recheck for id_, recheck in missing.items() if id_ not in deleted | settled.keys()},
            settling=self._settling,
            witnesses=frozenset(self._recognized) or self._memory.witnesses,
            strangers=self._strangers(known),
        )
        return [change for change in changes if change], memory

    def _observe(self, job: Job, known: Known | None, now: int) -> Change | None:
        job = as_tracked(job, known.job if known else None, now)
        if known is None and self._is_old_history(job):
            return None
        if self._settles(job, known, now):
            return None
        if known is None:
            return first_seen(self.account, job, now, backfilled=self._was_over_before_us(job, now))
        if known.deleted:
            return diff(self.account, known, job, now)
        if not is_behind(job, known.job):
            self._behind.pop(job.id, None)
            return diff(self.account, known, without_losses(job, known.job), now)
        self._hold_back(job, known)
        return None

    def _is_old_history(self, job: Job) -> bool:
        return is_terminal(job.status) and job.created_at < self._oldest_of_interest

    def _was_over_before_us(self, job: Job, now: int) -> bool:
        """By the provider's clock. Once the first reading was whole only where both clocks and the job's leave no doubt."""
        if not is_terminal(job.status):
            return False
        since = self._checkpoint.since + self.clock_ahead
        if self._checkpoint.watermark is None:
            return (job.created_at if job.completed_at is None else job.completed_at) * 1000 <= since
        is_certain = self.knows_clock and self._checkpoint.since <= now and job.completed_at is not None
        return is_certain and max(job.created_at, job.completed_at or 0) * 1000 <= since - CERTAINLY_BEFORE

    def _settles(self, job: Job, known: Known | None, now: int) -> bool:
        """Whether it is a SUCCESS that waits for what it lacks; an end of any other kind ends the wait."""
        is_news = known.active or known.deleted if known else not self._was_over_before_us(job, now)
        if not is_terminal(job.status) or not is_news:
            return False
        before = self._settling.pop(job.id, None)
        recheck = before.recheck.again(now) if before else Recheck.first(now)
        if not cannot_be_complete(job) or recheck.age(now) >= self._settle_for:
            return False
        self._behind.pop(job.id, None)
        self._settling[job.id] = Settling(job, recheck)
        return True

    def _take_settled(self, now: int) -> dict[str, Job]:
        """What has waited long enough, by id, as it was last shown; it waits no longer."""
        over = {id_: each.job for id_, each in self._settling.items() if each.recheck.age(now) >= self._settle_for}
        for id_ in over:
            del self._settling[id_]
        return over

    def _end(self, job: Job, known: Known | None, now: int) -> Change | None:
        """The end of a job that waited for what it lacks, unless the end is known by now."""
        if known is None:
            return first_seen(self.account, job, now)
        return diff(self.account, known, without_losses(job, known.job), now) if known.active or known.deleted else None

    def _hold_back(self, job: Job, known: Known) -> None:
        self.stale += 1
        other = self._behind.get(job.id)
        is_worse = is_behind(other, job) if other else job.id not in self.shown
        if is_worse and known.active:
            self._behind[job.id] = job

    def _doubt(self, job: Job, now: int) -> Doubt:
        """The doubt about this answer: as old as the one before, unless the answer lies behind that one too."""
        before = self._memory.behind.get(job.id)
        if before is None or is_behind(job, before.job):
            return Doubt(job, now)
        return Doubt(job, min(before.since, now))

    def _is_confirmed(self, doubt: Doubt, now: int) -> bool:
        return doubt.job.id in self._memory.behind and now - doubt.since >= CONFIRMED_AFTER

    def _is_recognized(self, job_id: str) -> bool:
        """Whether a job of the log shows that the account is the one that it was, and there are not enough such jobs yet.

        One that was first shown in this sweep does not, nor does a stranger: another workspace has jobs of its own.
        """
        return len(self._recognized) < WITNESSES and job_id not in self.shown and job_id not in self._memory.strangers

    def _strangers(self, known: Mapping[str, Known]) -> frozenset[str]:
        """What this sweep and those before have shown while they showed no job of before, though some are active."""
        if self._recognized or not any(each.active and id_ not in self.shown for id_, each in known.items()):
            return frozenset()
        return self._memory.strangers | self.shown

    def _all_missing(self) -> set[str]:
        return (self._missing | self._memory.missing.keys()) - self.shown

    def _missing_since(self, now: int) -> dict[str, Recheck]:
        before, asked = self._memory.missing, self._missing
        return {
            id_: (before[id_].again(now) if id_ in asked else before[id_]) if id_ in before else Recheck.first(now)
            for id_ in self._all_missing()
        }

    def _deleted_after(self) -> int:
        if self.suspicion() is None:
            return DELETED_AFTER
        return MANY_DELETED_AFTER if self._recognized else ALL_DELETED_AFTER


def _joined(first: Change, second: Change) -> Change:
    return msgspec.structs.replace(second, events=first.events + second.events, backfilled=first.backfilled)
