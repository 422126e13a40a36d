"""Owns finding the whole events that the short form of others builds on: of each job the last one."""

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Final

from tracker.core.events.job_diff import Change
from tracker.core.events.progress_delta import PROGRESS
from tracker.store.records.log_rows import Base, LogEntry

_MOST_IDS: Final = 500
"""Per statement: SQLite takes up to 32,766 parameters, and a statement for each number of them is prepared and cached."""

_BASES: Final = """
SELECT j.id, e.seq, e.body FROM jobs AS j
CROSS JOIN events AS e ON e.seq = j.base AND e.seq >= (SELECT moving_to FROM log_start)
WHERE j.account = ? AND j.id IN (%s)"""


def log_entries(connection: sqlite3.Connection, account: str, changes: Sequence[Change]) -> list[LogEntry]:
    """Within a transaction: the events of the changes, each with the event that its short form may build on."""
    ids = [change.known.job.id for change in changes if _may_be_short(change)]
    bases = dict(_bases(connection, account, ids))
    return [
        LogEntry(event, id_, change.backfilled, base=bases.get(id_))
        for change, id_ in ((change, change.known.job.id) for change in changes)
        for event in change.events
    ]


def _may_be_short(change: Change) -> bool:
    """Any whole event of the job will do: the short form is proved by it."""
    return any(event.type == PROGRESS for event in change.events)


def _bases(connection: sqlite3.Connection, account: str, ids: Sequence[str]) -> Iterator[tuple[str, Base]]:
    for start in range(0, len(ids), _MOST_IDS):
        some = ids[start : start + _MOST_IDS]
        marks = ",".join("?" * len(some))  # not json_each: it ends a string at a NUL
        for id_, seq, body in connection.execute(_BASES % marks, (account, *some)):
            yield id_, Base(seq, body)
