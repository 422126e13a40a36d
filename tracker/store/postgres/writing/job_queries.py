"""Owns what a sweep asks of the table of jobs."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from tracker.core.events.event import iso, parse_iso
from tracker.core.events.job_diff import Known
from tracker.store.postgres.database.text_escape import decode_text, encode_text, encode_texts
from tracker.store.postgres.database.writer_connection import Database
from tracker.store.records.unlogged_progress import PROGRESS, known_job

_KNOWN: Final = f"""SELECT jobs.id, deleted, data, observed_at, {PROGRESS}
FROM unnest($2::text[]) AS wanted (id) JOIN jobs ON account = $1 AND jobs.id = wanted.id"""  # noqa: S608 - of constants

_DELETED_SINCE: Final = """
SELECT DISTINCT jobs.id, jobs.observed_at FROM events JOIN jobs ON jobs.account = events.account AND jobs.id = events.job
WHERE events.account = $1 AND events.type = 'batch.deleted' AND events.observed_at > $2 AND jobs.deleted"""
"""By the events of deletion: an index of the jobs themselves would be written by each change of a job."""

_COUNT_CREATED: Final = "SELECT count(*) FROM jobs WHERE account = $1 AND created_at > $2"

_NTH_NEWEST: Final = "SELECT created_at FROM jobs WHERE account = $1 ORDER BY created_at DESC LIMIT 1 OFFSET $2"

_NEWEST: Final = """
SELECT id FROM jobs WHERE account = $1 AND created_at > $2 AND NOT deleted ORDER BY created_at DESC LIMIT $3"""

_COUNTS_BY_STATUS: Final = """
SELECT status, sum(jobs)::bigint FROM job_counts WHERE account = ANY ($1::text[]) AND NOT deleted GROUP BY status"""


class JobQueries:
    """The queries of `Store` about jobs."""

    def __init__(self, database: Database) -> None:
        self._fetch = database.fetch

    async def known(self, account: str, ids: Collection[str]) -> Mapping[str, Known]:
        rows = await self._fetch(_KNOWN, encode_text(account), encode_texts([*ids]))
        found = (known_job(id_, *row, deleted=deleted) for id_, deleted, *row in rows)
        return {known.job.id: known for known in found}

    async def deleted_since(self, account: str, since: int) -> Mapping[str, int]:
        rows = await self._fetch(_DELETED_SINCE, encode_text(account), iso(since))
        return {decode_text(id_): parse_iso(at) for id_, at in rows}

    async def count_created(self, account: str, after: int) -> int:
        return int((await self._fetch(_COUNT_CREATED, encode_text(account), after))[0][0])

    async def creation_of_nth_newest(self, account: str, nth: int) -> int | None:
        found = await self._fetch(_NTH_NEWEST, encode_text(account), nth)
        return int(found[0][0]) if found else None

    async def newest_ids(self, account: str, after: int, limit: int) -> list[str]:
        return [decode_text(id_) for (id_,) in await self._fetch(_NEWEST, encode_text(account), after, limit)]

    async def counts_by_status(self, accounts: Iterable[str]) -> Mapping[str, int]:
        rows = await self._fetch(_COUNTS_BY_STATUS, encode_texts([*accounts]))
        return {decode_text(status): number for status, number in rows}
