"""Owns reading the active jobs, through the cache of them."""

from typing import Final

import asyncpg

from tracker.core.events.job_diff import Known
from tracker.store.postgres.database.text_escape import encode_text
from tracker.store.records.active_jobs_cache import ActiveJobsCache
from tracker.store.records.unlogged_progress import PROGRESS

_ACTIVE: Final = f"SELECT id, data, observed_at, {PROGRESS} FROM jobs WHERE account = $1 AND active"  # noqa: S608 - of constants


async def read_active_jobs(cache: ActiveJobsCache, connection: asyncpg.Connection, account: str) -> dict[str, Known]:
    """The active jobs of `account`, by id, in a dict of the caller's own."""
    found = cache.get(connection, account)
    return cache.fill(account, await connection.fetch(_ACTIVE, encode_text(account))) if found is None else found
