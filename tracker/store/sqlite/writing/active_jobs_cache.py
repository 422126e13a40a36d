"""Owns the active jobs in memory: what the table says of them, so that a quiet sweep reads no job from the database.

There is one process that writes, and one connection by which it does. As long as that is the same, what was read by it and
the changes that it has committed are what is in the file. After an error it is another one (see `Database.connected`), and
all is read anew.
"""

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final

from tracker.core.events.job_diff import Change, Known
from tracker.core.jobs.interning import Interning
from tracker.store.sqlite.writing.job_codec import stored_job

_ACTIVE: Final = "SELECT id, data FROM jobs INDEXED BY jobs_active WHERE account = ? AND active"
"""Left to itself SQLite takes the primary key, and reads every job that there ever was."""


class Draft:
    """The active jobs of an account while a transaction changes jobs of it; None where they are not in memory."""

    def __init__(self, account: str, jobs: dict[str, Known] | None) -> None:
        self.account = account
        self.jobs = jobs


class ActiveJobs:
    """By account. `read` and `change` are for who has the connection, in its thread."""

    def __init__(self) -> None:
        self._connection: sqlite3.Connection | None = None
        self._jobs: dict[str, dict[str, Known]] = {}
        self._drafts: dict[str, Draft] = {}
        self._interning = Interning()

    def read(self, connection: sqlite3.Connection, account: str) -> Mapping[str, Known]:
        """Every active job of `account`, by id, as it is now: later changes do not show."""
        self._look_at(connection)
        if account not in self._jobs:
            jobs = (stored_job(id_, data) for id_, data in connection.execute(_ACTIVE, (account,)))
            self._jobs[account] = {job.id: Known(self._interning.lean(job)) for job in jobs}
        return dict(self._jobs[account])

    def change(self, connection: sqlite3.Connection, account: str) -> Draft:
        """A transaction begins to change jobs of `account`: unless its draft is `committed`, all is read anew."""
        self._look_at(connection)
        draft = self._drafts[account] = Draft(account, self._jobs.pop(account, None))
        return draft

    def committed(self, draft: Draft, changes: Iterable[Change]) -> None:
        """The transaction of `draft` has committed these `changes`."""
        if self._drafts.get(draft.account) is not draft or draft.jobs is None:
            return
        for change in changes:
            id_ = change.known.job.id
            draft.jobs.pop(id_, None)  # the key with it: it is the id of the job that it leads to
            if change.known.active:
                draft.jobs[id_] = change.known
        self._jobs[draft.account] = draft.jobs

    def _look_at(self, connection: sqlite3.Connection) -> None:
        if connection is not self._connection:
            self._connection = connection
            self._jobs.clear()
            self._drafts.clear()
