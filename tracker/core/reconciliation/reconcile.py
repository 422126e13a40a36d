"""Owns what one sweep has seen, reconciled with what is known: which changes are believed, and when.

A sweep observes pages in any order, and the same job perhaps more than once. An answer that moves a job forward is believed at
once. Other answers have rules of their own: `stale_answers`, `deletion_rules`, `incomplete_success`. Absence from a list
means nothing.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import msgspec

from tracker.core.errors.provider_failure import Failure
from tracker.core.events.failure_share import with_risk
from tracker.core.events.job_diff import Change, Known, deletion, diff, first_seen, is_behind, without_losses
from tracker.core.events.progress_limit import due_changes, limited, next_due
from tracker.core.jobs.job import Job, KeptJobs
from tracker.core.jobs.missing_fields import as_tracked
from tracker.core.jobs.status import is_terminal
from tracker.core.ports.store import Checkpoint
from tracker.core.reconciliation.deletion_rules import DeletionRules
from tracker.core.reconciliation.incomplete_success import IncompleteSuccesses, Settling
from tracker.core.reconciliation.recheck_backoff import MINUTE, Recheck
from tracker.core.reconciliation.stale_answers import Doubt, StaleAnswers

CERTAINLY_BEFORE: Final = MINUTE
"""Milliseconds before the first contact: a job that ended then is no news, even if it could not be read at first."""


class Memory(msgspec.Struct, frozen=True):
    """What a sweep passes on to the next one: answers that are not believed yet. A restart loses it, which only costs time.

    `witnesses` are jobs that the account showed. `strangers` are those that it has shown only since it shows none of them.
    `progress_due` is when the first progress that was seen and not logged is due (Unix milliseconds); None if there is none.
    """

    behind: Mapping[str, Doubt] = {}
    missing: Mapping[str, Recheck] = {}
    settling: Mapping[str, Settling] = {}
    witnesses: frozenset[str] = frozenset()
    strangers: frozenset[str] = frozenset()
    progress_due: int | None = None


EMPTY_MEMORY: Final = Memory()


class Reconciliation:
    """What one sweep over an account saw, reconciled with what is known: the changes to record. It does no I/O."""

    def __init__(  # noqa: PLR0913 - each is used as it is
        self,
        account: str,
        checkpoint: Checkpoint,
        window: int,
        memory: Memory = EMPTY_MEMORY,
        *,
        settle_for: int = 0,
        clock_ahead: int = 0,
        mapped: Collection[str] = (),
        failed_share: float | None = None,
        progress_every: int = 0,
    ) -> None:
        """`window` is the creation time (Unix seconds) from which on the sweep reads every new job.

        `settle_for` and `progress_every` are in milliseconds, as is `clock_ahead`: by how much the provider's clock is ahead of
        ours. `mapped` is of `Capabilities`. With a `failed_share` of None no job is at risk.
        """
        self._progress_every = progress_every
        self._failed_share = failed_share
        self._mapped = mapped
        self.account = account
        self.shown: set[str] = set()
        self.newest: int | None = None
        self.clock_ahead = clock_ahead
        self.knows_clock = False  # whether an answer of this sweep gave the provider's time
        self._checkpoint = checkpoint
        self._oldest_of_interest = min(window, checkpoint.horizon)
        self._memory = memory
        self._stale = StaleAnswers(memory.behind)
        self._deletions = DeletionRules(memory.missing, memory.witnesses, memory.strangers, self.shown)
        self._incomplete = IncompleteSuccesses(memory.settling, settle_for)

    @property
    def settling(self) -> Mapping[str, Settling]:
        """The jobs whose SUCCESS is not recorded yet, for it cannot be complete."""
        return self._incomplete.settling

    @property
    def stale(self) -> int:
        """How many answers were behind the known state, and are not believed."""
        return self._stale.count

    def observes_unchanged(self, kept: KeptJobs | None, known: Mapping[str, Known]) -> bool:
        """Observe the jobs of a kept page if all of them, as of most pages, are known as they are; returns whether they are."""
        if kept is None or self._deletions.needs_witnesses or not kept.are_known(known):
            return False
        self.newest = max(self.newest or 0, kept.newest)
        self._observe_unchanged(kept.ids)
        return True

    def observe(self, jobs: Sequence[Job], known: Mapping[str, Known], now: int) -> list[Change]:
        """The changes that `jobs` bring to what is `known` of them (Unix milliseconds)."""
        if jobs:
            self.newest = max(self.newest or 0, *[job.created_at for job in jobs])
        changes: dict[str, Change] = {}
        deletions, doubted = self._deletions, self._stale.jobs
        for job in self._differing(jobs, known):
            earlier = changes.get(job.id)
            before = earlier.known if earlier else known.get(job.id)
            if before and not earlier and deletions.needs_witnesses:
                deletions.recognize(job.id)
            if _is_known_as_it_is(job, before):
                doubted.pop(job.id, None)
            elif change := self._observe(job, before, now):
                changes[job.id] = _joined(earlier, change) if earlier else change
            self.shown.add(job.id)
        return list(changes.values())

    def record_missing(self, job_id: str) -> None:
        """The API has no such job."""
        self._deletions.record_missing(job_id)

    def should_get(self, job_id: str, now: int) -> bool:
        """Whether a job that no list shows should be requested."""
        return self._deletions.should_get(job_id, now)

    def suspicion(self) -> Failure | None:
        """Why 404s of the account are not believed yet; None where they are."""
        return self._deletions.suspicion()

    def conclude(self, known: Mapping[str, Known], now: int) -> tuple[list[Change], Memory]:
        """The changes that are believed now that all answers are there, and what the next sweep has to remember."""
        confirmed, doubts = self._stale.conclude(now)
        missing = self._deletions.missing(now)
        deleted = self._deletions.deleted(missing, now, ended=self.settling.keys())
        settled = self._incomplete.take_settled(now)
        changes = [
            *(self._diff(known[job.id], job, now) for job in confirmed),
            *(deletion(self.account, known[id_], now) for id_ in deleted),
            *(self._end(job, known.get(job.id), now) for job in settled),
        ]
        found = [change for change in changes if change]
        found += self._due_progress(found, known, now)
        over = deleted | {job.id for job in settled}
        unseen = {id_: doubt for id_, doubt in self._memory.behind.items() if id_ not in self.shown}
        memory = Memory(
            behind=unseen | doubts,  # half a sweep says nothing about the jobs that it did not show
            missing={id_: recheck for id_, recheck in missing.items() if id_ not in over},
            settling=self.settling,
            witnesses=self._deletions.witnesses(),
            strangers=self._deletions.strangers(known),
            progress_due=self._next_due(found, known),
        )
        return found, memory

    def _due_progress(self, changes: Sequence[Change], known: Mapping[str, Known], now: int) -> list[Change]:
        """Of the jobs without other `changes`, what was seen and is due by now, be it shown again or not."""
        changed = {change.known.job.id for change in changes}
        unlogged = [each for id_, each in known.items() if each.unlogged and id_ not in changed]
        return due_changes(self.account, unlogged, self.shown, self._progress_every, now)

    def _next_due(self, changes: Sequence[Change], known: Mapping[str, Known]) -> int | None:
        changed = {change.known.job.id: change.known for change in changes}
        unlogged = [each for id_, each in known.items() if each.unlogged and id_ not in changed]
        return next_due([*unlogged, *changed.values()], self._progress_every)

    def _differing(self, jobs: Sequence[Job], known: Mapping[str, Known]) -> Sequence[Job]:
        """Those of `jobs` that are not known as they are, for the others, as most are, are observed at once.

        None are where each has to be looked at: the account has to be recognized, or one of them is shown twice.
        """
        ids = {job.id for job in jobs}
        if self._deletions.needs_witnesses or len(ids) < len(jobs):
            return jobs
        differing = [job for job in jobs if not _is_known_as_it_is(job, known.get(job.id))]
        self._observe_unchanged(ids.difference([job.id for job in differing]))
        return differing

    def _observe_unchanged(self, ids: Collection[str]) -> None:
        self.shown.update(ids)
        doubted = self._stale.jobs
        for id_ in ids if doubted else ():
            doubted.pop(id_, None)

    def _observe(self, job: Job, known: Known | None, now: int) -> Change | None:
        job = as_tracked(job, known.job if known else None, now)
        if known is None and self._is_old_history(job):
            return None
        if self._settles(job, known, now):
            return None
        if known is None:
            return self._first_seen(job, now, backfilled=self._was_over_before_us(job, now))
        if known.deleted:
            return self._diff(known, job, now)
        if not is_behind(job, known.job):
            self._stale.discard(job.id)
            return self._diff(known, without_losses(job, known.job), now)
        self._stale.add(job, known, was_shown=job.id in self.shown)
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
        if not self._incomplete.waits(job, now):
            return False
        self._stale.discard(job.id)
        return True

    def _end(self, job: Job, known: Known | None, now: int) -> Change | None:
        """The end of a job that waited for what it lacks, unless the end is known by now."""
        if known is None:
            return self._first_seen(job, now)
        return self._diff(known, without_losses(job, known.job), now) if known.active or known.deleted else None

    def _first_seen(self, job: Job, now: int, *, backfilled: bool = False) -> Change:
        return with_risk(first_seen(self.account, job, now, backfilled=backfilled), None, self._failed_share, now)

    def _diff(self, known: Known, seen: Job, now: int) -> Change | None:
        change = diff(self.account, known, seen, now, self._mapped)
        if change is None or not change.events:
            return change
        return limited(with_risk(change, known, self._failed_share, now), known, self._progress_every, now)


def _joined(first: Change, second: Change) -> Change:
    return msgspec.structs.replace(second, events=first.events + second.events, backfilled=first.backfilled)


def _is_known_as_it_is(job: Job, known: Known | None) -> bool:
    return known is not None and (known.job is job or known.job == job) and not known.deleted
