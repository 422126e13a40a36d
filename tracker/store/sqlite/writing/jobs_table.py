"""Owns writing the table of jobs: each job as its last event has it."""

import sqlite3
from collections.abc import Sequence
from itertools import accumulate, islice
from typing import Any, Final

import msgspec

from tracker.core.events.job_diff import Change
from tracker.core.jobs.job import COUNTERS

_UPSERT_JOB: Final = """
INSERT INTO jobs (account, id, status, active, deleted, created_at, first_seen_at, observed_at, seq, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (account, id) DO UPDATE SET status = excluded.status, active = excluded.active, deleted = excluded.deleted,
  created_at = excluded.created_at, observed_at = excluded.observed_at, seq = excluded.seq, data = excluded.data
WHERE seq < excluded.seq"""

_PROGRESS_OF_JOB: Final = """
UPDATE jobs SET observed_at = ?8, seq = ?9, data = ?10 WHERE account = ?1 AND id = ?2 AND seq < ?9"""
"""As `_UPSERT_JOB` with the same row, where only counters differ: the most frequent change, and no index is written."""

_COUNTERS: Final = frozenset(COUNTERS)

_encode: Final = msgspec.json.Encoder().encode


def write_jobs(connection: sqlite3.Connection, changes: Sequence[Change], first_seq: int) -> None:
    """Within a transaction: write the jobs of these changes, whose events are numbered from `first_seq` on."""
    last_seqs = accumulate((len(change.events) for change in changes), initial=first_seq - 1)
    rows: dict[bool, list[tuple[Any, ...]]] = {True: [], False: []}
    for change, seq in zip(changes, islice(last_seqs, 1, None), strict=True):
        rows[_is_progress(change)].append(_job_row(change, seq))
    connection.executemany(_UPSERT_JOB, rows[False])
    if connection.executemany(_PROGRESS_OF_JOB, rows[True]).rowcount < len(rows[True]):
        connection.executemany(_UPSERT_JOB, rows[True])  # the table may not have a job that another file had


def _is_progress(change: Change) -> bool:
    return all(event.type == "batch.progress" and event.changes.keys() <= _COUNTERS for event in change.events)


def _job_row(change: Change, seq: int) -> tuple[Any, ...]:
    known, job = change.known, change.known.job
    first, last = change.events[0].observed_at, change.events[-1].observed_at
    data = _encode(job.to_data()).decode()
    return (
        change.account, job.id, job.status, known.active, known.deleted, job.created_at, first, last, seq, data
    )  # fmt: skip
