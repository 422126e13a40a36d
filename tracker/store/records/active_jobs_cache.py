"""Owns the cache of the active jobs, so that a sweep without changes reads no job from the database.

Sweeps and metrics read this cache. One process at a time writes the jobs of an account, over one connection. As long as that
connection is open, the database has exactly what was read over it and the changes that it has committed. After an error there
may be a new connection, and all jobs are read again. Until then the cache has what was committed last, for display.
"""

from collections.abc import Iterable, Mapping

from tracker.core.events.job_diff import Change, Known, Unlogged
from tracker.core.jobs.interning import Interning
from tracker.core.jobs.job import Job
from tracker.store.records.unlogged_progress import known_job


class Draft:
    """A transaction that changes jobs of an account; `was_current` says whether the cache had them all when it began."""

    def __init__(self, account: str, *, was_current: bool) -> None:
        self.account = account
        self.was_current = was_current


class ActiveJobsCache:
    """By account. `get`, `fill` and `change` are called by the one task that uses the connection, `snapshot` in any thread."""

    def __init__(self) -> None:
        self._connection: object = None
        self._jobs: dict[str, dict[str, Known]] = {}
        self._current: set[str] = set()  # the accounts whose jobs are what the database says
        self._drafts: dict[str, Draft] = {}
        self._interning = Interning()

    def get(self, connection: object, account: str) -> dict[str, Known] | None:
        """A copy of the active jobs of `account`, by id, as they are now; None if they have to be read."""
        self._follow(connection)
        return dict(self._jobs[account]) if account in self._current else None

    def fill(self, account: str, rows: Iterable[tuple[str, str, str, str | None]]) -> dict[str, Known]:
        """Keep what was read over the connection of the last `get`, and return as that does.

        The rows are id, data, observed_at and progress of each active job.
        """
        known = (self._lean(known_job(*row)) for row in rows)
        self._jobs[account] = {each.job.id: each for each in known}
        self._current.add(account)
        return dict(self._jobs[account])

    def change(self, connection: object, account: str) -> Draft:
        """Begin to change jobs of `account`: unless the draft is `committed`, they are read again."""
        self._follow(connection)
        draft = self._drafts[account] = Draft(account, was_current=account in self._current)
        self._current.discard(account)
        return draft

    def committed(self, draft: Draft, changes: Iterable[Change]) -> None:
        """The transaction of `draft` has committed these `changes`."""
        if self._drafts.get(draft.account) is not draft or draft.account not in self._jobs:
            return
        jobs = self._jobs[draft.account]
        for change in changes:
            id_ = change.known.job.id
            jobs.pop(id_, None)  # the key with it: it is the id of the job that it leads to
            if change.known.active:
                jobs[id_] = change.known
        if draft.was_current:
            self._current.add(draft.account)

    def forget(self, account: str) -> None:
        """Read the jobs of `account` again: another process may have changed them."""
        self._current.discard(account)
        self._drafts.pop(account, None)

    def snapshot(self, account: str) -> Mapping[str, Job]:
        """The jobs that were committed last: while a dict is copied no other thread can change it."""
        return {id_: known.job for id_, known in dict(self._jobs.get(account, {})).items()}

    def _lean(self, known: Known) -> Known:
        unlogged = known.unlogged and Unlogged(self._interning.lean(known.unlogged.logged), known.unlogged.seen_at)
        return Known(self._interning.lean(known.job), known.deleted, known.logged_at, unlogged)

    def _follow(self, connection: object) -> None:
        if connection is not self._connection:
            self._connection = connection
            self._current.clear()
            self._drafts.clear()
