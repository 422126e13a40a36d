"""Owns when a job counts as deleted: "no such job" is believed when it is repeated, later where the account is suspect.

It is repeated at least `DELETED_AFTER` later. If many jobs are missing at once, or if the account shows no job that it showed
before, the account is suspect: its key may belong to another workspace now. Then it takes `MANY_DELETED_AFTER`, or
`ALL_DELETED_AFTER`.
"""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Final

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.job_diff import Known
from tracker.core.reconciliation.recheck_backoff import DAY, HOUR, MINUTE, Recheck

DELETED_AFTER: Final = MINUTE
MANY_DELETED_AFTER: Final = HOUR
ALL_DELETED_AFTER: Final = DAY

MANY: Final = 5
"""The number of jobs that may be missing at once before the account is suspected."""

WITNESSES: Final = 100
"""The number of shown jobs that are remembered: an account that shows none of them is probably another workspace."""


class DeletionRules:
    """The missing jobs of one sweep."""

    def __init__(
        self,
        missing: Mapping[str, Recheck],
        witnesses: frozenset[str],
        strangers: frozenset[str],
        shown: AbstractSet[str],
    ) -> None:
        """The first three are what the sweeps before have left, as `Memory` has it; `shown` grows while this sweep goes on."""
        self._missing_before = missing
        self._witnesses_before = witnesses
        self._strangers_before = strangers
        self._shown = shown
        self._missing: set[str] = set()
        self._recognized: set[str] = set()  # some of the shown jobs that were known before
        self.needs_witnesses = True  # whether further jobs may be recognized

    def record_missing(self, job_id: str) -> None:
        """The API has no such job."""
        self._missing.add(job_id)

    def recognize(self, job_id: str) -> None:
        """The account is about to show a known job, which proves, a few times over, that it is the one that it was.

        A job that was first shown in this sweep proves nothing, and neither does a stranger: another workspace has jobs of its
        own.
        """
        if job_id not in self._shown and job_id not in self._strangers_before:
            self._recognized.add(job_id)
            self.needs_witnesses = len(self._recognized) < WITNESSES

    def should_get(self, job_id: str, now: int) -> bool:
        """Whether a job that no list shows should be requested: after a 404 not before the next one would count."""
        return job_id not in self._missing_before or self._missing_before[job_id].is_due(now, DELETED_AFTER)

    def suspicion(self) -> Failure | None:
        """Why the account is suspect, so that its 404s are not believed yet; None if it is not."""
        missing = self._all_missing()
        lost = not self._recognized and bool((self._witnesses_before or missing) - missing or len(missing) > 1)
        if not missing or not (lost or len(missing) > MANY):
            return None
        jobs = f"{len(missing)} active job{'s' * (len(missing) > 1)}"
        shows = "shows no job that it showed before and " if lost else ""
        return Failure(Reason.JOBS_MISSING, f"it {shows}answers 404 for {jobs}; does the key belong to another workspace?")

    def missing(self, now: int) -> dict[str, Recheck]:
        """The missing jobs by ID, each with since when it is missing."""
        before = self._missing_before
        return {
            id_: self._rechecked(before[id_], id_, now) if id_ in before else Recheck.first(now) for id_ in self._all_missing()
        }

    def deleted(self, missing: Mapping[str, Recheck], now: int, ended: AbstractSet[str]) -> set[str]:
        """Those of `missing` that are believed to be deleted, by an answer of this sweep; jobs that have `ended` are not."""
        after = self._deleted_after()
        return {id_ for id_ in self._missing - ended if id_ in missing and missing[id_].age(now) >= after}

    def witnesses(self) -> frozenset[str]:
        """Jobs that the account has shown, for the next sweep."""
        return frozenset(self._recognized) or self._witnesses_before

    def strangers(self, known: Mapping[str, Known]) -> frozenset[str]:
        """What the account has shown since it shows no job that it showed before, though some are active."""
        if self._recognized or not any(each.active and id_ not in self._shown for id_, each in known.items()):
            return frozenset()
        return self._strangers_before | self._shown

    def _rechecked(self, before: Recheck | None, job_id: str, now: int) -> Recheck:
        if before is None:
            return Recheck.first(now)
        return before.again(now) if job_id in self._missing else before

    def _all_missing(self) -> set[str]:
        return (self._missing | self._missing_before.keys()) - self._shown

    def _deleted_after(self) -> int:
        if self.suspicion() is None:
            return DELETED_AFTER
        return MANY_DELETED_AFTER if self._recognized else ALL_DELETED_AFTER
