"""Owns writing the table of jobs: the state of each job after its last event."""

import sqlite3
from collections.abc import Sequence
from typing import Final

from tracker.core.events.job_diff import Change
from tracker.core.events.progress_limit import is_only_progress
from tracker.store.records.job_rows import JobRow, job_rows, logged_changes, progress_rows

_UPSERT_JOB: Final = """
INSERT INTO jobs (account, id, status, active, deleted, created_at, first_seen_at, observed_at, seq, data, base)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, (SELECT seq FROM events WHERE seq = ?9 AND base IS NULL))
ON CONFLICT (account, id) DO UPDATE SET status = excluded.status, active = excluded.active, deleted = excluded.deleted,
  created_at = excluded.created_at, observed_at = excluded.observed_at, seq = excluded.seq, data = excluded.data,
  base = coalesce(excluded.base, base), progress = NULL, progress_of = NULL
WHERE seq < excluded.seq"""

_PROGRESS_OF_JOB: Final = """
UPDATE jobs SET observed_at = ?8, seq = ?9, data = ?10, progress = NULL, progress_of = NULL,
  base = coalesce((SELECT seq FROM events WHERE seq = ?9 AND base IS NULL), base) WHERE account = ?1 AND id = ?2 AND seq < ?9"""
"""As `_UPSERT_JOB` with the same row, where only counters differ: the most frequent change, and no index is written."""

_SEEN_PROGRESS: Final = """
UPDATE jobs SET progress = ?3, progress_of = CASE WHEN ?3 IS NOT NULL THEN seq END WHERE account = ?1 AND id = ?2"""


def write_jobs(connection: sqlite3.Connection, changes: Sequence[Change], first_seq: int) -> None:
    """Within a transaction: write the jobs of these changes, whose events are numbered from `first_seq` on."""
    rows: dict[bool, list[JobRow]] = {True: [], False: []}
    logged = logged_changes(changes)
    for change, row in zip(logged, job_rows(logged, first_seq), strict=True):
        rows[is_only_progress(change)].append(row)
    connection.executemany(_UPSERT_JOB, rows[False])
    if connection.executemany(_PROGRESS_OF_JOB, rows[True]).rowcount < len(rows[True]):
        connection.executemany(_UPSERT_JOB, rows[True])  # the table may not have a job that another file had
    connection.executemany(_SEEN_PROGRESS, progress_rows(changes))
