"""Owns the tables of replicas and leases: every statement on them that changes which replica holds what.

Locks are taken in one order: replicas, then leases, then what the caller locks. A statement that only renews, takes or
returns waits for no row that another transaction has: it leaves that for the next time.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import asyncpg
import msgspec

from tracker.core.replicas.lease import LeaseKey, LeaseKind
from tracker.store.postgres.database.text_escape import decode_text, encode_text
from tracker.store.postgres.server_clock import SERVER_NOW

_FIND_NAME: Final = f"""
SELECT instance, process, version, joined_at, renewed_at, expires_at, {SERVER_NOW}
FROM replicas WHERE name = $1 FOR UPDATE"""  # noqa: S608 - of constants

_JOIN: Final = f"""
INSERT INTO replicas (name, instance, process, version, url, joined_at, renewed_at, expires_at)
SELECT $1, $2, $3, $4, $5, moment, moment, moment + $6 FROM (SELECT {SERVER_NOW} AS moment) AS now
RETURNING joined_at"""  # noqa: S608 - of constants

_RENEW: Final = f"""
UPDATE replicas SET renewed_at = {SERVER_NOW}, expires_at = {SERVER_NOW} + $2,
  wanted = coalesce($3, wanted), wanted_digest = coalesce($4, wanted_digest)
WHERE instance = $1 RETURNING renewed_at"""  # noqa: S608 - of constants

_REPLICAS: Final = """
SELECT instance, name, renewed_at, expires_at, wanted_digest, CASE WHEN wanted_digest <> $1 THEN wanted END FROM replicas"""

_LEASES: Final = "SELECT kind, name, instance, epoch FROM leases"

_DIGEST: Final = """
SELECT count(*) || ' ' || coalesce(sum(hashtextextended(kind || '/' || name || '/' || coalesce(instance, ''), epoch)), 0)
FROM leases"""

_ADD: Final = """
INSERT INTO leases (kind, name) SELECT kind, name FROM unnest($1::text[], $2::text[]) AS added (kind, name) ORDER BY kind, name
ON CONFLICT DO NOTHING"""

_GIVE_BACK: Final = """
WITH chosen AS MATERIALIZED (
  SELECT kind, name FROM leases JOIN unnest($1::text[], $2::text[]) AS given (kind, name) USING (kind, name)
  WHERE instance = $3 ORDER BY kind, name FOR UPDATE OF leases SKIP LOCKED
)
UPDATE leases AS l SET holder = NULL, instance = NULL, since = NULL, report = NULL
FROM chosen WHERE l.kind = chosen.kind AND l.name = chosen.name"""

_TAKE: Final = f"""
WITH chosen AS MATERIALIZED (
  SELECT kind, name FROM leases JOIN unnest($1::text[], $2::text[]) AS given (kind, name) USING (kind, name)
  WHERE instance IS NULL OR instance = $3 ORDER BY kind, name FOR UPDATE OF leases SKIP LOCKED
)
UPDATE leases AS l SET instance = $3, holder = $4, epoch = epoch + 1, since = {SERVER_NOW}, report = NULL
FROM chosen WHERE l.kind = chosen.kind AND l.name = chosen.name RETURNING l.kind, l.name, epoch"""  # noqa: S608 - of constants

_REPORT: Final = """
WITH chosen AS MATERIALIZED (
  SELECT kind, name, given.report FROM leases
  JOIN unnest($1::text[], $2::text[], $3::text[]) AS given (kind, name, report) USING (kind, name)
  WHERE instance = $4 ORDER BY kind, name FOR UPDATE OF leases SKIP LOCKED
)
UPDATE leases AS l SET report = chosen.report FROM chosen WHERE l.kind = chosen.kind AND l.name = chosen.name
RETURNING l.kind, l.name"""

_FORGET: Final = """
WITH chosen AS MATERIALIZED (
  SELECT kind, name FROM leases JOIN unnest($1::text[], $2::text[]) AS given (kind, name) USING (kind, name)
  WHERE instance IS NULL ORDER BY kind, name FOR UPDATE OF leases SKIP LOCKED
)
DELETE FROM leases AS l USING chosen WHERE l.kind = chosen.kind AND l.name = chosen.name"""

_REMOVE: Final = """
DELETE FROM replicas WHERE instance IN (
  SELECT instance FROM replicas WHERE instance = $1 AND renewed_at = $2 FOR UPDATE SKIP LOCKED
) RETURNING name, version, joined_at"""

_FREE_ALL: Final = """
WITH held AS MATERIALIZED (SELECT kind, name FROM leases WHERE instance = $1 ORDER BY kind, name FOR UPDATE), freed AS (
  UPDATE leases AS l SET holder = NULL, instance = NULL, since = NULL, report = NULL
  FROM held WHERE l.kind = held.kind AND l.name = held.name RETURNING l.kind
)
SELECT kind, count(*) FROM freed GROUP BY kind"""

_LEAVE: Final = "DELETE FROM replicas WHERE instance = $1"

_IS_HELD: Final = "SELECT 1 FROM leases WHERE kind = $1 AND name = $2 AND instance = $3 AND epoch = $4 FOR SHARE"


class Member(NamedTuple):
    """What a replica is: `instance` is one process's life, `process` tells its process from others of the machine."""

    name: str
    instance: str
    process: str
    version: str
    url: str | None


class NameUser(NamedTuple):
    """The process that uses a replica's name, as of `now`, of the server's clock."""

    instance: str
    process: str
    version: str
    joined_at: int
    renewed_at: int
    expires_at: int
    now: int


class ReplicaRow(NamedTuple):
    """A replica. `wanted` is None where it is what the caller wants too."""

    instance: str
    name: str
    renewed_at: int
    expires_at: int
    wanted_digest: str
    wanted: str | None


class LeaseRow(NamedTuple):
    """A lease, and the instance that holds it, if one does."""

    key: LeaseKey
    instance: str | None
    epoch: int


class Removed(NamedTuple):
    """A replica whose row was removed, and how many leases it held, by kind."""

    name: str
    version: str
    joined_at: int
    held: Mapping[str, int]


async def find_name(connection: asyncpg.Connection, name: str) -> NameUser | None:
    """Who uses the name, whose row stays locked until the transaction ends."""
    row = await connection.fetchrow(_FIND_NAME, encode_text(name))
    return NameUser(*row) if row else None


async def join(connection: asyncpg.Connection, member: Member, valid: float) -> int:
    """Insert a row that is valid for that many seconds; the server's time (Unix milliseconds)."""
    name, version = encode_text(member.name), encode_text(member.version)
    joined_at: int = await connection.fetchval(_JOIN, name, member.instance, member.process, version, member.url, _ms(valid))
    return joined_at


async def server_now(connection: asyncpg.Connection) -> int:
    """Unix milliseconds."""
    now: int = await connection.fetchval(f"SELECT {SERVER_NOW}")
    return now


async def renew(
    connection: asyncpg.Connection, instance: str, valid: float, wanted: str | None, digest: str | None
) -> int | None:
    """The server's time (Unix milliseconds); None where the instance has no row. `wanted` is None if it is unchanged."""
    found: int | None = await connection.fetchval(_RENEW, instance, _ms(valid), wanted, digest)
    return found


async def read_replicas(connection: asyncpg.Connection, own_digest: str) -> list[ReplicaRow]:
    rows = await connection.fetch(_REPLICAS, own_digest)
    return [ReplicaRow(instance, decode_text(name), *rest) for instance, name, *rest in rows]


async def read_leases(connection: asyncpg.Connection) -> list[LeaseRow]:
    """Every lease of a kind that this version knows."""
    rows = await connection.fetch(_LEASES)
    return [LeaseRow(_key(kind, name), instance, epoch) for kind, name, instance, epoch in rows if kind in _KINDS]


async def read_digest(connection: asyncpg.Connection) -> str:
    """The same as long as nothing that `read_leases` reads has changed."""
    digest: str = await connection.fetchval(_DIGEST)
    return digest


async def add(connection: asyncpg.Connection, keys: Iterable[LeaseKey]) -> None:
    """Make rows of leases that had none; nothing for those that another replica has made meanwhile."""
    await connection.execute(_ADD, *_columns(keys))


async def take(connection: asyncpg.Connection, keys: Iterable[LeaseKey], instance: str, name: str) -> dict[LeaseKey, int]:
    """Those of `keys` that were free, or held by this `instance` already, now held by it with a higher epoch."""
    rows = await connection.fetch(_TAKE, *_columns(keys), instance, encode_text(name))
    return {_key(kind, name): epoch for kind, name, epoch in rows}


async def give_back(connection: asyncpg.Connection, keys: Iterable[LeaseKey], instance: str) -> None:
    await connection.execute(_GIVE_BACK, *_columns(keys), instance)


async def write_reports(connection: asyncpg.Connection, reports: Mapping[LeaseKey, str], instance: str) -> set[LeaseKey]:
    """Those that were written; a lease under which a transaction is running is left for the next time."""
    kinds, names = _columns(reports)
    rows = await connection.fetch(_REPORT, kinds, names, [*reports.values()], instance)
    return {_key(kind, name) for kind, name in rows}


async def forget(connection: asyncpg.Connection, keys: Iterable[LeaseKey]) -> None:
    """Delete leases that are free."""
    await connection.execute(_FORGET, *_columns(keys))


async def remove(connection: asyncpg.Connection, instance: str, renewed_at: int) -> Removed | None:
    """Delete a replica that has not renewed since then, and free what it held; None if it has, or another removes it now."""
    row = await connection.fetchrow(_REMOVE, instance, renewed_at)
    return Removed(decode_text(row[0]), decode_text(row[1]), row[2], await free_all(connection, instance)) if row else None


async def free_all(connection: asyncpg.Connection, instance: str) -> dict[str, int]:
    """Free what the instance holds; how many leases that were, by kind."""
    return dict(await connection.fetch(_FREE_ALL, instance))


async def leave(connection: asyncpg.Connection, instance: str) -> None:
    """Give everything back, and the replica's row with it."""
    await connection.execute(_LEAVE, instance)
    await free_all(connection, instance)


async def is_held(connection: asyncpg.Connection, key: LeaseKey, instance: str, epoch: int) -> bool:
    """Whether the instance holds the lease since that change of hands; if so, until the transaction ends no other takes it."""
    return await connection.fetchval(_IS_HELD, key.kind, encode_text(key.name), instance, epoch) is not None


def encode_keys(keys: Iterable[LeaseKey]) -> str:
    """JSON of `keys`, the same for the same set."""
    return msgspec.json.encode(sorted(keys)).decode()


def decode_keys(text: str) -> frozenset[LeaseKey]:
    """The keys that `encode_keys` wrote, without kinds that only a newer version knows."""
    pairs = msgspec.json.decode(text, type=list[tuple[str, str]])
    return frozenset(LeaseKey(LeaseKind(kind), name) for kind, name in pairs if kind in _KINDS)


def _columns(keys: Iterable[LeaseKey]) -> tuple[Sequence[str], Sequence[str]]:
    pairs = [*keys]
    return [key.kind for key in pairs], [encode_text(key.name) for key in pairs]


def _key(kind: Any, name: str) -> LeaseKey:
    return LeaseKey(LeaseKind(kind), decode_text(name))


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


_KINDS: Final = frozenset(map(str, LeaseKind))
