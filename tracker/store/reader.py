"""Owns reading: the log and the jobs for the surfaces, over a connection that cannot write."""

import json
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiosqlite
import anyio
import msgspec

from tracker.core.ports import StorageError

LOOK_AGAIN: Final = 0.1
"""Seconds between looks at the file's version: another process's commit is no event that could be awaited."""

_JOBS: Final = """SELECT account, deleted, first_seen_at, observed_at, seq, data FROM jobs
WHERE (?1 IS NULL OR account = ?1) AND (?2 = '[]' OR status IN (SELECT value FROM json_each(?2)))
ORDER BY active DESC, created_at DESC, id LIMIT ?3"""

_JOBS_LIKE: Final = """SELECT account, deleted, first_seen_at, observed_at, seq, data FROM jobs
WHERE substr(id, 1, length(?1)) = ?1 LIMIT 20"""

_EVENTS: Final = """SELECT seq, body FROM events
WHERE seq > ?1 AND (?2 IS NULL OR job = ?2) AND (?3 IS NULL OR account = ?3)
  AND (?4 = '[]' OR EXISTS (SELECT 1 FROM json_each(?4) WHERE events.type GLOB value))
ORDER BY seq LIMIT ?5"""


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events; `types` are globs, nothing given means all."""

    types: Sequence[str] = ()
    job: str | None = None
    account: str | None = None


class Reader:
    """Open one with `open_reader`."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def jobs(self, account: str | None = None, statuses: Sequence[str] = (), limit: int = -1) -> list[dict[str, Any]]:
        """The jobs, active ones first, then the newest first; the BatchJob's properties and what the tracker adds."""
        return [_job(row) for row in await self._all(_JOBS, (account, json.dumps(list(statuses)), limit))]

    async def jobs_like(self, prefix: str) -> list[dict[str, Any]]:
        """The jobs whose id starts with `prefix`; the one whose id it is, if there is one."""
        found = [_job(row) for row in await self._all(_JOBS_LIKE, (prefix,))]
        return [job for job in found if job["id"] == prefix] or found

    async def events(self, after: int, which: EventFilter, limit: int = 500) -> list[tuple[int, str]]:
        """Up to `limit` events of the log after `seq`, in its order: seq and JSON."""
        return await self._all(_EVENTS, (after, which.job, which.account, json.dumps(list(which.types)), limit))

    async def changed(self) -> None:
        """Return once somebody has committed since the last look."""
        before = await self._all("PRAGMA data_version", ())
        while await self._all("PRAGMA data_version", ()) == before:  # noqa: ASYNC110 - see LOOK_AGAIN
            await anyio.sleep(LOOK_AGAIN)

    async def _all(self, sql: str, parameters: tuple[Any, ...]) -> list[Any]:
        try:
            return list(await self._connection.execute_fetchall(sql, parameters))
        except sqlite3.Error as error:
            raise StorageError(f"the database cannot be read, SQLite says: {error}") from error


@asynccontextmanager
async def open_reader(path: Path) -> AsyncIterator[Reader]:
    """Open the database for reading, whether or not a daemon writes to it; raises `StorageError` where there is none."""
    if not await anyio.Path(path).exists():
        raise StorageError(f"{path}: there is no database; has `batch-tracker run` been started with this configuration?")
    try:
        connection = await aiosqlite.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise StorageError(f"{path}: cannot be opened, SQLite says: {error}") from error
    try:
        yield Reader(connection)
    finally:
        with anyio.CancelScope(shield=True):
            await connection.close()


def _job(row: tuple[Any, ...]) -> dict[str, Any]:
    account, deleted, first_seen_at, observed_at, seq, data = row
    own = {"account": account, "deleted": bool(deleted), "first_seen_at": first_seen_at, "observed_at": observed_at, "seq": seq}
    return {**json.loads(data), **own}
