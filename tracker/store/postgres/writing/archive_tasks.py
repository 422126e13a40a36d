"""Owns the archive tasks on PostgreSQL, made in the transaction of the change that ends a job, and the outcomes of archiving.

Nothing is written when a task is claimed: a process that dies while it archives leaves the task, and the next holder of the
account's lease repeats it.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import count
from typing import Any, Final, TypeVar

import asyncpg

from tracker.core.events.event import parse_iso
from tracker.core.events.job_diff import Change
from tracker.core.events.result_events import result_events
from tracker.core.jobs.job import Job
from tracker.core.replicas.lease import MAINTENANCE_LEASE, LeaseKey, account_lease
from tracker.core.results.archive_outcome import ExpiredResults, Results
from tracker.core.results.archive_task import GIVE_UP_AFTER, ArchiveBacklog, ArchiveTask
from tracker.store.postgres.database.command_status import rows_changed
from tracker.store.postgres.database.text_escape import decode_text, encode_text
from tracker.store.postgres.database.writer_connection import Database
from tracker.store.postgres.writing.event_log import EventLog
from tracker.store.records.archive_rules import brings_files, covers, decode_task
from tracker.store.records.duration_conversion import milliseconds
from tracker.store.records.job_codec import readable_job
from tracker.store.records.log_rows import Appended, LogEntry
from tracker.store.records.results_codec import decode_files, encode_results

_INSERT_TASKS: Final = """
INSERT INTO archive_tasks (account, job, created_at, due_at, attempts, reason, detail)
SELECT account, job, at, at, 0, '', '' FROM unnest($1::text[], $2::text[], $3::bigint[]) AS t (account, job, at)
ON CONFLICT (account, job) DO UPDATE SET created_at = excluded.created_at, due_at = excluded.due_at, attempts = 0, reason = '',
  detail = ''"""

_DUE: Final = """
SELECT t.created_at, t.due_at, t.attempts, j.data, r.data FROM archive_tasks AS t
CROSS JOIN LATERAL (SELECT data FROM jobs WHERE account = t.account AND id = t.job OFFSET 0) AS j
LEFT JOIN LATERAL (
  SELECT data FROM results WHERE account = t.account AND job = t.job AND expired_at IS NULL OFFSET 0) AS r ON true
WHERE t.account = $1 AND (t.due_at <= $2 OR t.created_at > $2 OR t.due_at > $3) AND t.job <> ALL ($4::text[]) ORDER BY """
"""Where the clock was set back, a task was made later than now, or waits for longer than any task does: then it is due."""

_LONGEST_DUE_FIRST: Final = _DUE + "t.due_at, t.job"
_LAST_DUE_FIRST: Final = _DUE + "t.due_at DESC, t.job DESC"

_NEXT_DUE: Final = "SELECT min(due_at) FROM archive_tasks WHERE account = $1 AND due_at > $2"

_FAIL: Final = """
UPDATE archive_tasks SET attempts = attempts + 1, due_at = $3, reason = $4, detail = $5 WHERE account = $1 AND job = $2"""

_JOB_OF_TASK: Final = """
SELECT j.data, e.backfilled FROM archive_tasks AS t
JOIN jobs AS j ON j.account = t.account AND j.id = t.job JOIN events AS e ON e.seq = j.seq
WHERE t.account = $1 AND t.job = $2"""

_DELETE_TASK: Final = "DELETE FROM archive_tasks WHERE account = $1 AND job = $2"

_UPSERT_RESULTS: Final = """
INSERT INTO results (account, job, state, archived_at, expired_at, data) VALUES ($1, $2, $3, $4, NULL, $5)
ON CONFLICT (account, job) DO UPDATE SET state = excluded.state, archived_at = excluded.archived_at, expired_at = NULL,
  data = excluded.data"""

_EXPIRED: Final = """
SELECT account, job, data FROM results
WHERE expired_at IS NULL AND state IN ('archived', 'partial') AND archived_at < $1 ORDER BY archived_at, account, job"""

_FORGET_FILES: Final = "UPDATE results SET expired_at = $3 WHERE account = $1 AND job = $2"

_BACKLOGS: Final = "SELECT account, count(*), min(created_at) FROM archive_tasks GROUP BY account"

_DROP_DISABLED: Final = "DELETE FROM archive_tasks WHERE created_at < $1 AND account <> ALL ($2::text[])"

_LONGEST_WAIT: Final = milliseconds(GIVE_UP_AFTER)

T = TypeVar("T")


class PostgresArchive:
    """The `ArchiveStore` of core.ports on PostgreSQL."""

    def __init__(self, database: Database, log: EventLog) -> None:
        self._database = database
        self._log = log
        self._enabled: frozenset[str] = frozenset()

    def enable(self, accounts: Iterable[str]) -> None:
        self._enabled = frozenset(accounts)

    async def make_tasks(self, connection: asyncpg.Connection, account: str, changes: Iterable[Change]) -> bool:
        """Within the transaction of `changes`: make their tasks, if the account is enabled; returns whether it made one."""
        if account not in self._enabled:
            return False
        rows = {
            (encode_text(change.account), encode_text(change.known.job.id)): parse_iso(change.events[-1].observed_at)
            for change in changes
            if brings_files(change)
        }
        if rows:
            await connection.execute(
                _INSERT_TASKS, [account for account, _ in rows], [job for _, job in rows], [*rows.values()]
            )
        return bool(rows)

    async def claim(
        self, account: str, now: int, limit: int, under_way: Collection[str], *, last_due_first: bool = False
    ) -> list[ArchiveTask]:
        query, excluded = _LAST_DUE_FIRST if last_due_first else _LONGEST_DUE_FIRST, [*map(encode_text, under_way)]
        parameters = (encode_text(account), now, now + _LONGEST_WAIT, excluded)

        async def work(connection: asyncpg.Connection) -> list[ArchiveTask]:
            return await _first(limit, connection, query, parameters, lambda row: decode_task(account, row))

        return await self._database.read("reading archive tasks", work)

    async def next_due(self, account: str, now: int) -> int | None:
        ((at,),) = await self._database.fetch(_NEXT_DUE, encode_text(account), now)
        return None if at is None else int(at)

    async def fail(self, account: str, job_id: str, due_at: int, reason: str, detail: str) -> None:
        row = (encode_text(account), encode_text(job_id), due_at, encode_text(reason), encode_text(detail))
        await self._execute("recording a failed attempt", account_lease(account), _FAIL, *row)

    async def record(self, results: Results) -> None:
        key = encode_text(results.account), encode_text(results.job_id)

        async def work(connection: asyncpg.Connection) -> Appended | None:
            await self._log.lock_head(connection)  # a change that is recorded meanwhile may name a file more
            job, backfilled = await _job_of_task(connection, key)
            if job is None:
                return None
            entries = [LogEntry(event, job.id, backfilled) for event in result_events(results, job)]
            appended = await self._log.append(connection, entries)
            if results.files or results.missing:
                row = (results.state, results.archived_at, encode_results(results))
                await connection.execute(_UPSERT_RESULTS, *key, *row)
            if covers(results, job):
                await connection.execute(_DELETE_TASK, *key)
            return appended

        if appended := await self._log.write("recording results", work, lease=account_lease(results.account)):
            self._log.committed(appended)

    async def expired(self, before: int, limit: int) -> list[ExpiredResults]:
        async def work(connection: asyncpg.Connection) -> list[ExpiredResults]:
            return await _first(limit, connection, _EXPIRED, (before,), _expired)

        return await self._database.read("reading expired results", work)

    async def forget_files(self, account: str, job_id: str, at: int) -> None:
        row = (encode_text(account), encode_text(job_id), at)
        await self._execute("forgetting files", MAINTENANCE_LEASE, _FORGET_FILES, *row)

    async def backlog(self) -> dict[str, ArchiveBacklog]:
        rows = await self._database.fetch(_BACKLOGS)
        return {decode_text(account): ArchiveBacklog(tasks, oldest) for account, tasks, oldest in rows}

    async def drop_disabled(self, before: int) -> int:
        enabled = [*map(encode_text, self._enabled)]
        return await self._execute("dropping archive tasks", MAINTENANCE_LEASE, _DROP_DISABLED, before, enabled)

    async def _execute(self, what: str, lease: LeaseKey, sql: str, *parameters: Any) -> int:
        """Run one statement in a transaction; how many rows it changed."""

        async def work(connection: asyncpg.Connection) -> int:
            return rows_changed(await connection.execute(sql, *parameters))

        return await self._database.write(what, work, lease=lease)


async def _first(
    limit: int,
    connection: asyncpg.Connection,
    query: str,
    parameters: Sequence[Any],
    decode: Callable[[Sequence[Any]], T | None],
) -> list[T]:
    """The first `limit` of what `decode` makes of the rows, which are read no further than that takes."""
    paged = f"{query} LIMIT ${len(parameters) + 1} OFFSET ${len(parameters) + 2}"
    found: list[T] = []
    for offset in count(step=max(limit, 1)):
        rows = await connection.fetch(paged, *parameters, limit, offset)
        found += [each for row in rows if (each := decode(row)) is not None]
        if len(found) >= limit or len(rows) < limit:
            break
    return found[:limit]


def _expired(row: Sequence[Any]) -> ExpiredResults | None:
    account, job, data = row
    files = decode_files(data)
    return ExpiredResults(account=decode_text(account), job_id=decode_text(job), files=files) if files else None


async def _job_of_task(connection: asyncpg.Connection, key: tuple[str, str]) -> tuple[Job | None, bool]:
    """The job as the log has it (None if it has no task, or cannot be read), and whether its last event was backfilled."""
    data, backfilled = await connection.fetchrow(_JOB_OF_TASK, *key) or (None, False)
    return readable_job(data) if data else None, backfilled
