"""Owns the reader over PostgreSQL, and what it reads of the replicas."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from tracker.core.events.event import iso
from tracker.store.address import PostgresAddress
from tracker.store.postgres.reading.commit_wait import ChangeListener
from tracker.store.postgres.reading.read_connection import ReadConnection
from tracker.store.postgres.reading.statements import STATEMENTS
from tracker.store.records.query import Query
from tracker.store.records.querying_reader import QueryingReader, Read

_NOW: Final = "extract(epoch FROM clock_timestamp()) * 1000"

_REPLICAS: Final = f"""SELECT r.name, r.instance, r.version, r.url, r.joined_at, r.renewed_at, r.expires_at,
  r.expires_at > {_NOW}, count(*) FILTER (WHERE l.kind = 'account'), count(*) FILTER (WHERE l.kind = 'receiver')
FROM replicas AS r LEFT JOIN leases AS l ON l.instance = r.instance GROUP BY r.name ORDER BY r.name"""  # noqa: S608 - of constants

_LEASES: Final = f"""SELECT l.kind, l.name, r.name, l.epoch, l.since, r.expires_at, l.report
FROM leases AS l LEFT JOIN replicas AS r ON r.instance = l.instance AND r.expires_at > {_NOW}
ORDER BY l.kind, l.name"""  # noqa: S608 - of constants


class PostgresReader(QueryingReader):
    """The `Reader` of core.ports on PostgreSQL; it serves one consumer at a time. See `open_postgres_reader`."""

    def __init__(self, address: PostgresAddress, connection: ReadConnection) -> None:
        super().__init__(str(address), STATEMENTS)
        self._connection = connection
        self._changes = ChangeListener(address, connection)
        self._version = ""  # before the first query since `wait_for_change` last returned

    async def replicas(self) -> list[dict[str, Any]]:
        """The replicas that share the database, by name."""
        return [_replica(*row) for row in await self._query(_REPLICAS)]

    async def leases(self) -> list[dict[str, Any]]:
        """The leases that the live replicas share out, by kind and name."""
        return await self._readable("a lease", self._read(_read_leases))

    async def wait_for_change(self) -> None:
        """Return once another connection has committed what the queries since this last returned may have missed."""
        self._version = await self._changes.wait_for_other(self._version)
        self._has_queried = False

    async def interrupt(self) -> None:
        """Nothing: a query that was given up has lost its connection."""

    async def _note_version(self) -> None:
        self._version = await self._changes.version()

    async def _run_query(self, sql: str, *parameters: Any) -> list[Any]:
        return await self._connection.fetch(sql, *parameters)

    async def _run_at_one_moment(self, reading: Callable[[Query], Coroutine[Any, Any, Read]]) -> Read:
        return await self._connection.read_at_one_moment(reading)


@asynccontextmanager
async def open_postgres_reader(address: PostgresAddress) -> AsyncIterator[PostgresReader]:
    """Open the database for reading, with a role that need not be able to do more; raises `StorageError` if that fails."""
    connection = ReadConnection(address)
    await connection.open()
    try:
        yield PostgresReader(address, connection)
    finally:
        await connection.close()


async def _read_leases(query: Query) -> list[dict[str, Any]]:
    return [_lease(*row) for row in await query(_LEASES)]


def _replica(name: str, instance: str, version: str, url: str | None, *rest: Any) -> dict[str, Any]:
    joined_at, renewed_at, expires_at, live, accounts, receivers = rest
    times = {"joined_at": iso(joined_at), "renewed_at": iso(renewed_at), "expires_at": iso(expires_at)}
    of_program = {"instance": instance, "version": version, "url": url}
    return {"name": name, **of_program, **times, "live": live, "accounts": accounts, "receivers": receivers}


def _lease(kind: str, name: str, holder: str | None, epoch: int, *rest: Any) -> dict[str, Any]:
    since, expires_at, report = rest if holder is not None else (None, None, None)
    return {
        "kind": kind,
        "name": name,
        "holder": holder,
        "epoch": epoch,
        "since": None if since is None else iso(since),
        "expires_at": None if expires_at is None else iso(expires_at),
        "report": None if report is None else json.loads(report),
    }
