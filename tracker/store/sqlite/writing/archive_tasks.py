"""Owns the archive tasks, made in the transaction of the change that ends a job, and the outcomes of archiving.

Nothing is written when a task is claimed: a process that dies while it archives leaves the task, and the next one repeats it.
"""

import json
import sqlite3
from collections.abc import Collection, Iterable
from itertools import islice
from typing import Final

from tracker.core.events.event import parse_iso
from tracker.core.events.job_diff import Change
from tracker.core.events.result_events import result_events
from tracker.core.jobs.job import Job
from tracker.core.results.archive_outcome import ExpiredResults, Results
from tracker.core.results.archive_task import GIVE_UP_AFTER, ArchiveBacklog, ArchiveTask
from tracker.store.records.archive_rules import brings_files, covers, decode_task
from tracker.store.records.duration_conversion import milliseconds
from tracker.store.records.job_codec import readable_job
from tracker.store.records.log_rows import Appended, LogEntry
from tracker.store.records.result_pages import decode_backlogs
from tracker.store.records.results_codec import decode_files, encode_results
from tracker.store.sqlite.database.writer_connection import Database
from tracker.store.sqlite.reading.result_statements import RESULTS
from tracker.store.sqlite.writing.event_log import EventLog

_INSERT_TASK: Final = """
INSERT INTO archive_tasks (account, job, created_at, due_at, attempts, reason, detail) VALUES (?1, ?2, ?3, ?3, 0, '', '')
ON CONFLICT (account, job) DO UPDATE SET created_at = ?3, due_at = ?3, attempts = 0, reason = '', detail = ''"""

_DUE: Final = """
SELECT t.created_at, t.due_at, t.attempts, j.data, r.data
FROM archive_tasks AS t INDEXED BY archive_tasks_due CROSS JOIN jobs AS j ON j.account = t.account AND j.id = t.job
LEFT JOIN results AS r ON r.account = t.account AND r.job = t.job AND r.expired_at IS NULL
WHERE t.account = ?1 AND (t.due_at <= ?2 OR t.created_at > ?2 OR t.due_at > ?3) ORDER BY """
"""Where the clock was set back, a task was made later than now, or waits for longer than any task does: then it is due."""

_LONGEST_DUE_FIRST: Final = _DUE + "t.due_at, t.job"
_LAST_DUE_FIRST: Final = _DUE + "t.due_at DESC, t.job DESC"

_NEXT_DUE: Final = """
SELECT min(due_at) FROM archive_tasks INDEXED BY archive_tasks_due WHERE account = ? AND due_at > ?"""

_FAIL: Final = """
UPDATE archive_tasks SET attempts = attempts + 1, due_at = ?3, reason = ?4, detail = ?5 WHERE account = ?1 AND job = ?2"""

_JOB_OF_TASK: Final = """
SELECT j.data, e.backfilled FROM archive_tasks AS t
JOIN jobs AS j ON j.account = t.account AND j.id = t.job JOIN events AS e ON e.seq = j.seq
WHERE t.account = ? AND t.job = ?"""

_DELETE_TASK: Final = "DELETE FROM archive_tasks WHERE account = ? AND job = ?"

_UPSERT_RESULTS: Final = """
INSERT INTO results (account, job, state, archived_at, expired_at, data) VALUES (?, ?, ?, ?, NULL, ?)
ON CONFLICT (account, job) DO UPDATE SET state = excluded.state, archived_at = excluded.archived_at, expired_at = NULL,
  data = excluded.data"""

_EXPIRED: Final = """
SELECT account, job, data FROM results INDEXED BY results_kept
WHERE expired_at IS NULL AND state IN ('archived', 'partial') AND archived_at < ? ORDER BY archived_at"""

_FORGET_FILES: Final = "UPDATE results SET expired_at = ?3 WHERE account = ?1 AND job = ?2"

_DROP_DISABLED: Final = "DELETE FROM archive_tasks WHERE created_at < ? AND account NOT IN (SELECT value FROM json_each(?))"

_LONGEST_WAIT: Final = milliseconds(GIVE_UP_AFTER)


class SqliteArchive:
    """The `ArchiveStore` of core.ports on SQLite."""

    def __init__(self, database: Database, log: EventLog) -> None:
        self._database = database
        self._log = log
        self._enabled: frozenset[str] = frozenset()

    def enable(self, accounts: Iterable[str]) -> None:
        self._enabled = frozenset(accounts)

    def make_tasks(self, connection: sqlite3.Connection, account: str, changes: Iterable[Change]) -> bool:
        """Within the transaction of `changes`: make their tasks, if the account is enabled; returns whether it made one."""
        if account not in self._enabled:
            return False
        rows = [
            (change.account, change.known.job.id, parse_iso(change.events[-1].observed_at))
            for change in changes
            if brings_files(change)
        ]
        connection.executemany(_INSERT_TASK, rows)
        return bool(rows)

    async def claim(
        self, account: str, now: int, limit: int, under_way: Collection[str], *, last_due_first: bool = False
    ) -> list[ArchiveTask]:
        excluded, query = frozenset(under_way), _LAST_DUE_FIRST if last_due_first else _LONGEST_DUE_FIRST

        def work(connection: sqlite3.Connection) -> list[ArchiveTask]:
            rows = connection.execute(query, (account, now, now + _LONGEST_WAIT))
            tasks = (task for row in rows if (task := decode_task(account, row)) and task.job.id not in excluded)
            return list(islice(tasks, limit))

        return await self._database.read("reading archive tasks", work)

    async def next_due(self, account: str, now: int) -> int | None:
        ((at,),) = await self._database.fetch(_NEXT_DUE, account, now)
        return None if at is None else int(at)

    async def fail(self, account: str, job_id: str, due_at: int, reason: str, detail: str) -> None:
        row = (account, job_id, due_at, reason, detail)
        await self._database.write("recording a failed attempt", lambda connection: connection.execute(_FAIL, row))

    async def record(self, results: Results) -> None:
        def work(connection: sqlite3.Connection) -> Appended | None:
            job, backfilled = _job_of_task(connection, results.account, results.job_id)
            if job is None:
                return None
            entries = [LogEntry(event, job.id, backfilled) for event in result_events(results, job)]
            appended = self._log.append(connection, entries)
            if results.files or results.missing:
                row = (results.account, results.job_id, results.state, results.archived_at, encode_results(results))
                connection.execute(_UPSERT_RESULTS, row)
            if covers(results, job):
                connection.execute(_DELETE_TASK, (results.account, results.job_id))
            return appended

        if appended := await self._log.write("recording results", work):
            self._log.committed(appended)

    async def expired(self, before: int, limit: int) -> list[ExpiredResults]:
        def work(connection: sqlite3.Connection) -> list[ExpiredResults]:
            found = (
                ExpiredResults(account=account, job_id=job, files=files)
                for account, job, data in connection.execute(_EXPIRED, (before,))
                if (files := decode_files(data))
            )
            return list(islice(found, limit))

        return await self._database.read("reading expired results", work)

    async def forget_files(self, account: str, job_id: str, at: int) -> None:
        row = (account, job_id, at)
        await self._database.write("forgetting files", lambda connection: connection.execute(_FORGET_FILES, row))

    async def backlog(self) -> dict[str, ArchiveBacklog]:
        return decode_backlogs(await self._database.fetch(RESULTS.backlogs))

    async def drop_disabled(self, before: int) -> int:
        row = (before, json.dumps([*self._enabled]))
        return await self._database.write(
            "dropping archive tasks", lambda connection: connection.execute(_DROP_DISABLED, row).rowcount
        )


def _job_of_task(connection: sqlite3.Connection, account: str, job_id: str) -> tuple[Job | None, bool]:
    """The job as the log has it (None if it has no task, or cannot be read), and whether its last event was backfilled."""
    data, backfilled = connection.execute(_JOB_OF_TASK, (account, job_id)).fetchone() or (None, 0)
    return readable_job(data) if data else None, bool(backfilled)
