"""Owns the active jobs in memory: what the table says of them, so that a quiet sweep reads no job from the database.

This is the one copy of them in the process: sweeps begin from it, and the metrics read it. One process writes, over one
connection. As long as that connection lives, what was read over it and the changes that it has committed are what is in the
file. After an error the connection is another one (see `Database.connected`), and all is read again. Until then the cache
holds what was committed last, for those who only show it.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final

from tracker.core.events.job_diff import Change, Known
from tracker.core.jobs.interning import Interning
from tracker.core.jobs.job import Job
from tracker.store.sqlite.writing.job_codec import stored_job

_ACTIVE: Final = "SELECT id, data FROM jobs INDEXED BY jobs_active WHERE account = ? AND active"
"""Left to itself SQLite takes the primary key, and reads every job that there ever was."""


class Draft:
    """A transaction that changes jobs of an account; `was_current` says whether the cache had them all when it began."""

    def __init__(self, account: str, *, was_current: bool) -> None:
        self.account = account
        self.was_current = was_current


class ActiveJobsCache:
    """By account. `read` and `change` are called with the connection, in its thread, `snapshot` in any."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._jobs: dict[str, dict[str, Known]] = {}
        self._current: set[str] = set()  # the accounts whose jobs are what the file says
        self._drafts: dict[str, Draft] = {}
        self._interning = Interning()

    def read(self, connection: sqlite3.Connection, account: str) -> dict[str, Known]:
        """A copy of the active jobs of `account`, by id, as they are now."""
        self._follow(connection)
        if account not in self._current:
            jobs = (stored_job(id_, data) for id_, data in connection.execute(_ACTIVE, (account,)))
            self._jobs[account] = {job.id: Known(self._interning.lean(job)) for job in jobs}
            self._current.add(account)
        return dict(self._jobs[account])

    def change(self, connection: sqlite3.Connection, account: str) -> Draft:
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

    def snapshot(self, account: str) -> Mapping[str, Job]:
        """The jobs that were committed last: while a dict is copied no other thread can change it."""
        return {id_: known.job for id_, known in dict(self._jobs.get(account, {})).items()}

    def _follow(self, connection: sqlite3.Connection) -> None:
        if connection is not self._connection:
            self._connection = connection
            self._current.clear()
            self._drafts.clear()
