"""Owns reading the active jobs, through the cache of them."""

import sqlite3
from typing import Final

from tracker.core.events.job_diff import Known
from tracker.store.records.active_jobs_cache import ActiveJobsCache
from tracker.store.records.unlogged_progress import PROGRESS

_ACTIVE: Final = f"SELECT id, data, observed_at, {PROGRESS} FROM jobs INDEXED BY jobs_active WHERE account = ? AND active"  # noqa: S608
"""Left to itself SQLite takes the primary key, and reads every job that there ever was."""


def read_active_jobs(cache: ActiveJobsCache, connection: sqlite3.Connection, account: str) -> dict[str, Known]:
    """The active jobs of `account`, by id, in a dict of the caller's own."""
    found = cache.get(connection, account)
    return cache.fill(account, connection.execute(_ACTIVE, (account,))) if found is None else found
