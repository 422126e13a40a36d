"""Owns the proof that the jobs are what the log says: every job rebuilt from its events and compared with the table."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from tracker.core.errors.storage_error import StorageError
from tracker.store.reports import Verification
from tracker.store.sqlite.database.schema import IDENTITY, check, existing_file_uri
from tracker.store.sqlite.verification.rebuild import EVENTS, LogRebuilder, RebuiltJob

_JOBS: Final = "SELECT account, id, status, active, deleted, created_at, first_seen_at, observed_at, seq, data FROM jobs"

_MISCOUNTED: Final = """
SELECT account, status, deleted, sum(counted) AS counted, sum(there) AS there FROM (
  SELECT account, status, deleted, jobs AS counted, 0 AS there FROM job_counts
  UNION ALL SELECT account, status, deleted, 0, count(*) FROM jobs GROUP BY account, status, deleted)
GROUP BY account, status, deleted HAVING sum(counted) <> sum(there) ORDER BY account, status, deleted"""


def verify(path: Path) -> Verification:
    """Rebuild and compare, on one snapshot of the file; raises `StorageError` where it cannot be read."""
    address = existing_file_uri(path)
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            connection.row_factory = sqlite3.Row
            connection.execute("BEGIN")
            check(path, connection.execute(IDENTITY).fetchone())
            return _verify(connection)
    except sqlite3.Error as error:
        raise StorageError(f"{path}: cannot be read, SQLite says: {error}") from error


def _verify(connection: sqlite3.Connection) -> Verification:
    damage = tuple(f"SQLite: {line}" for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok")
    if damage:  # then a row may hold anything
        return Verification(0, 0, damage)
    log, differences = LogRebuilder(), list[str]()
    for row in connection.execute(EVENTS):
        differences += log.add(row)
    differences += log.end()
    table = {(row["account"], row["id"]): row for row in connection.execute(_JOBS)}
    differences += _differences(log.jobs, table)
    differences += map(_miscounted, connection.execute(_MISCOUNTED))
    return Verification(log.events, len(table), tuple(differences))


def _differences(log: dict[tuple[str, str], RebuiltJob], table: dict[tuple[str, str], sqlite3.Row]) -> Iterator[str]:
    for account, job in sorted(log.keys() | table.keys()):
        rebuilt, row = log.get((account, job)), table.get((account, job))
        where = f"account {account}, job {job}"
        if rebuilt is None or row is None:
            yield f"{where}: the log {'has' if rebuilt else 'lacks'} it, the table {'has' if row else 'lacks'} it"
            continue
        for name, expected in rebuilt.columns().items():
            found = _decoded(row[name]) if name == "data" else row[name]
            if expected != found:
                yield f"{where}: {name}: the log says {expected!r}, the table says {found!r}"


def _miscounted(row: sqlite3.Row) -> str:
    which = f"{row['status']}{', deleted' if row['deleted'] else ''}"
    return f"account {row['account']}, jobs that are {which}: {row['counted']} counted, {row['there']} there"


def _decoded(data: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return data
