"""Owns the proof that the jobs are what the log says: every job rebuilt from its events and compared with the table."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from tracker.core.ports import StorageError
from tracker.core.status import is_terminal


class Verdict(msgspec.Struct, frozen=True):
    """What was compared, and where the log and the table differ; none means that they agree."""

    events: int
    jobs: int
    differences: tuple[str, ...]


def verify(path: Path) -> Verdict:
    """Rebuild and compare, on one snapshot of the file; raises `StorageError` where it cannot be read."""
    if not path.exists():
        raise StorageError(f"{path}: there is no database")
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)) as connection:
            connection.execute("BEGIN")
            return _verify(connection)
    except sqlite3.Error as error:
        raise StorageError(f"{path}: cannot be read, SQLite says: {error}") from error


def _verify(connection: sqlite3.Connection) -> Verdict:
    differences: list[str] = []
    rebuilt: dict[tuple[str, str], dict[str, Any]] = {}
    expected_seq = 0
    for seq, body in connection.execute("SELECT seq, body FROM events ORDER BY seq"):
        expected_seq += 1
        event = json.loads(body)
        if seq != expected_seq or event["seq"] != seq:
            differences.append(f"event {seq}: expected seq {expected_seq}, its body says {event['seq']}")
            expected_seq = seq
        key = (event["account"], event["data"]["id"])
        differences += _breaks(event, rebuilt.get(key))
        rebuilt[key] = _after(event, rebuilt.get(key))
    table = _table(connection)
    differences += _differences(rebuilt, table)
    differences += [f"SQLite: {line}" for (line,) in connection.execute("PRAGMA integrity_check") if line != "ok"]
    return Verdict(expected_seq, len(table), tuple(differences))


def _after(event: dict[str, Any], before: dict[str, Any] | None) -> dict[str, Any]:
    data, deleted = event["data"], event["type"] == "batch.deleted"
    return {
        "data": data,
        "status": data["status"],
        "deleted": deleted,
        "active": not deleted and not is_terminal(data["status"]),
        "created_at": data["created_at"],
        "first_seen_at": event["observed_at"] if before is None else before["first_seen_at"],
        "observed_at": event["observed_at"],
        "seq": event["seq"],
    }


def _breaks(event: dict[str, Any], before: dict[str, Any] | None) -> Iterator[str]:
    """Where an event does not fit what the log said before it: each change must start where the last one ended."""
    where = f"event {event['seq']}: job {event['data']['id']}"
    if (before is None) != (event["type"] == "batch.created"):
        yield f"{where}: {event['type']} {'before' if before is None else 'after'} the job was first seen"
    if before is None or before["seq"] == event["seq"]:
        return
    for name, (was, is_) in event["changes"].items():
        now = before["deleted"] if name == "deleted" else before["data"].get(name)
        created = before["data"] == event["data"]  # a job that is new has its status in two events of one observation
        if not created and was != now and (was or now):
            yield f"{where}: {name} changed from {was!r}, the log had {now!r}"
        if name != "deleted" and event["data"].get(name) != is_:
            yield f"{where}: {name} changed to {is_!r}, its data has {event['data'].get(name)!r}"


def _table(connection: sqlite3.Connection) -> dict[tuple[str, str], dict[str, Any]]:
    connection.row_factory = sqlite3.Row
    rows = connection.execute("SELECT * FROM jobs").fetchall()
    connection.row_factory = None
    return {
        (row["account"], row["id"]): {
            **{name: row[name] for name in ("status", "created_at", "first_seen_at", "observed_at", "seq")},
            "data": json.loads(row["data"]),
            "deleted": bool(row["deleted"]),
            "active": bool(row["active"]),
        }
        for row in rows
    }


def _differences(log: dict[tuple[str, str], dict[str, Any]], table: dict[tuple[str, str], dict[str, Any]]) -> Iterator[str]:
    for account, job in sorted(log.keys() | table.keys()):
        says, has = log.get((account, job)), table.get((account, job))
        where = f"account {account}, job {job}"
        if says is None or has is None:
            yield f"{where}: the log {'has' if says else 'lacks'} it, the table {'has' if has else 'lacks'} it"
            continue
        for name, value in says.items():
            if value != has[name]:
                yield f"{where}: {name}: the log says {value!r}, the table says {has[name]!r}"
