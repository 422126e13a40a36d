"""Owns reading: the log and the jobs for the surfaces, over a connection that cannot write."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiosqlite
import anyio
import msgspec

from tracker.core.event import iso
from tracker.core.ports import StorageError
from tracker.store.schema import IDENTITY, check, to_read

LOOK_AGAIN: Final = 0.1
"""Seconds between looks at the file's version: another process's commit is no event that could be awaited."""

_LARGEST_SEQ: Final = 2**63 - 1
"""SQLite's largest integer; nothing comes after."""

_JOBS: Final = """SELECT account, deleted, first_seen_at, observed_at, seq, data FROM jobs
WHERE (?1 IS NULL OR account = ?1) AND (?2 = '[]' OR status IN (SELECT value FROM json_each(?2)))
ORDER BY active DESC, created_at DESC, id LIMIT ?3"""

_JOBS_LIKE: Final = """SELECT account, deleted, first_seen_at, observed_at, seq, data FROM jobs
WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id <> ?1, account, id LIMIT 20"""

_EVENTS: Final = """SELECT seq, body FROM events
WHERE seq > ?1 AND (?2 IS NULL OR account = ?2)
  AND (?3 = '[]' OR EXISTS (SELECT 1 FROM json_each(?3) WHERE events.type GLOB value))
ORDER BY seq LIMIT ?4"""

_EVENTS_OF_JOB: Final = """SELECT seq, body FROM events INDEXED BY events_of_job
WHERE seq > ?1 AND (?2 IS NULL OR account = ?2)
  AND (?3 = '[]' OR EXISTS (SELECT 1 FROM json_each(?3) WHERE events.type GLOB value))
  AND job = ?5
ORDER BY seq LIMIT ?4"""


_DELIVERIES: Final = """
FROM deliveries AS d INDEXED BY deliveries_of_event CROSS JOIN events AS e ON e.seq = d.seq
WHERE (d.seq, d.receiver) > (?1, ?2) AND (?3 = '[]' OR d.state IN (SELECT value FROM json_each(?3)))
  AND (?4 IS NULL OR d.receiver = ?4)"""

_DELIVERIES_OF_JOB: Final = """
FROM events AS e INDEXED BY events_of_job CROSS JOIN deliveries AS d INDEXED BY deliveries_of_event ON d.seq = e.seq
WHERE (d.seq, d.receiver) > (?1, ?2) AND (?3 = '[]' OR d.state IN (SELECT value FROM json_each(?3)))
  AND (?4 IS NULL OR d.receiver = ?4) AND e.seq >= ?1 AND e.job = ?6"""

_PAGE: Final = """SELECT d.seq, d.receiver, e.id, d.type, e.account, e.job, d.state, d.due_at, d.ended_at %s
ORDER BY %s.seq, d.receiver LIMIT ?5"""

_FROM_THE_END: Final = "SELECT d.seq, d.receiver %s ORDER BY %s.seq DESC, d.receiver DESC LIMIT 1 OFFSET ?5"

_ATTEMPTS: Final = """WITH wanted (receiver, seq) AS (VALUES %s)
SELECT receiver, seq, number, began_at, ended_at, result, status, detail, answer
FROM wanted CROSS JOIN attempts USING (receiver, seq) ORDER BY number"""


class DeliveryFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries; nothing given means all."""

    states: Sequence[str] = ()
    receiver: str | None = None
    job: str | None = None


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events; `types` are globs, nothing given means all."""

    types: Sequence[str] = ()
    job: str | None = None
    account: str | None = None


class Reader:
    """Open one with `open_reader`; it serves one consumer, whose looks it remembers."""

    def __init__(self, path: Path, connection: aiosqlite.Connection) -> None:
        self._path = path
        self._connection = connection
        self._version = 0  # the file's, before the first look since `changed` last returned
        self._has_looked = False

    async def check(self) -> None:
        """Raise `StorageError` unless the file is a batch-tracker database of this version."""
        check(self._path, (await self._look(IDENTITY))[0])

    async def jobs(self, account: str | None = None, statuses: Sequence[str] = (), limit: int = -1) -> list[dict[str, Any]]:
        """The jobs, active ones first, then the newest first; the BatchJob's properties and what the tracker adds."""
        return self._jobs(await self._look(_JOBS, account, json.dumps(list(statuses)), limit))

    async def jobs_like(self, prefix: str) -> list[dict[str, Any]]:
        """The jobs whose id starts with `prefix`; the one whose id it is, if there is one."""
        found = self._jobs(await self._look(_JOBS_LIKE, prefix))
        return [job for job in found if job["id"] == prefix] or found

    async def events(self, after: int, which: EventFilter, limit: int = 500) -> list[tuple[int, str]]:
        """Up to `limit` events of the log after `seq`, in its order: seq and JSON."""
        parameters = (min(after, _LARGEST_SEQ), which.account, json.dumps(list(which.types)), limit)
        if which.job is None:
            return await self._look(_EVENTS, *parameters)
        return await self._look(_EVENTS_OF_JOB, *parameters, which.job)

    async def deliveries(self, after: tuple[int, str], which: DeliveryFilter, limit: int = 500) -> list[dict[str, Any]]:
        """Up to `limit` deliveries `after` that of a seq and a receiver, in the log's order, each with its attempts."""
        rows = await self._look(*_selecting(_PAGE, after, which, limit))
        attempts = defaultdict[tuple[int, str], list[dict[str, Any]]](list)
        if rows:
            marks = ",".join(["(?, ?)"] * len(rows))
            keys = [part for seq, receiver, *_ in rows for part in (receiver, seq)]
            for receiver, seq, *attempt in await self._look(_ATTEMPTS % marks, *keys):
                attempts[seq, receiver].append(_attempt(attempt))
        return [_delivery(row, attempts[row[0], row[1]]) for row in rows]

    async def before_last_deliveries(self, number: int, which: DeliveryFilter) -> tuple[int, str]:
        """What the last `number` deliveries come after."""
        found = await self._look(*_selecting(_FROM_THE_END, (0, ""), which, number))
        return tuple(found[0]) if found else (0, "")

    async def changed(self) -> None:
        """Return once somebody has committed what the looks since this last returned may have missed."""
        while (version := await self._data_version()) == self._version:  # noqa: ASYNC110 - see LOOK_AGAIN
            await anyio.sleep(LOOK_AGAIN)
        self._version, self._has_looked = version, False

    async def _look(self, sql: str, *parameters: Any) -> list[Any]:
        if not self._has_looked:
            self._version = await self._data_version()  # before the look: what is committed during it wakes `changed`
            self._has_looked = True
        return await self._all(sql, *parameters)

    async def _data_version(self) -> int:
        return int((await self._all("PRAGMA data_version"))[0][0])

    async def _all(self, sql: str, *parameters: Any) -> list[Any]:
        try:
            return list(await self._connection.execute_fetchall(sql, parameters))
        except sqlite3.Error as error:
            raise StorageError(f"{self._path}: cannot be read, SQLite says: {error}") from error

    def _jobs(self, rows: list[Any]) -> list[dict[str, Any]]:
        try:
            return [_job(row) for row in rows]
        except ValueError as error:
            raise StorageError(f"{self._path}: a job that it holds cannot be read: {error}") from error


@asynccontextmanager
async def open_reader(path: Path) -> AsyncIterator[Reader]:
    """Open the database for reading, whether or not a daemon writes to it; raises `StorageError` where it cannot be."""
    address = to_read(path)
    try:
        with anyio.CancelScope(shield=True):  # a connection that nobody waits for would never be closed
            connection = await aiosqlite.connect(address, uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise StorageError(f"{path}: cannot be opened, SQLite says: {error}") from error
    try:
        reader = Reader(path, connection)
        await reader.check()
        yield reader
    finally:
        with anyio.CancelScope(shield=True):
            await connection.close()


def _selecting(sql: str, after: tuple[int, str], which: DeliveryFilter, number: int) -> tuple[Any, ...]:
    """The statement and its parameters; told to order by the table that it begins with, SQLite need not sort."""
    parameters = (*after, json.dumps(list(which.states)), which.receiver, number)
    if which.job is None:
        return sql % (_DELIVERIES, "d"), *parameters
    return sql % (_DELIVERIES_OF_JOB, "e"), *parameters, which.job


def _delivery(row: tuple[Any, ...], attempts: list[dict[str, Any]]) -> dict[str, Any]:
    seq, receiver, event_id, type_, account, job, state, due_at, ended_at = row
    return {
        "seq": seq,
        "receiver": receiver,
        "event_id": event_id,
        "type": type_,
        "account": account,
        "job": job,
        "state": state,
        "attempts": attempts,
        "due_at": iso(due_at),
        "ended_at": None if ended_at is None else iso(ended_at),
    }


def _attempt(row: Sequence[Any]) -> dict[str, Any]:
    number, began_at, ended_at, result, status, detail, answer = row
    times = {"began_at": iso(began_at), "ended_at": iso(ended_at)}
    return {"number": number, **times, "result": result, "status": status, "detail": detail, "answer": answer}


def _job(row: tuple[Any, ...]) -> dict[str, Any]:
    account, deleted, first_seen_at, observed_at, seq, data = row
    own = {"account": account, "deleted": bool(deleted), "first_seen_at": first_seen_at, "observed_at": observed_at, "seq": seq}
    return {**json.loads(data), **own}
