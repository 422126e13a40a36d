"""Owns writing the table of jobs: the state of each job after its last event."""

from collections.abc import Sequence
from typing import Final

import asyncpg

from tracker.core.events.event import parse_iso
from tracker.core.events.job_diff import Change
from tracker.store.postgres.database.text_escape import encode_texts
from tracker.store.records.job_rows import JobRow, job_rows, logged_changes, progress_rows

_UPSERT: Final = """
INSERT INTO jobs (account, id, status, active, deleted, created_at, first_seen_at, observed_at, seq, data, ended_at)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[], $5::boolean[], $6::bigint[], $7::text[], $8::text[],
  $9::bigint[], $10::text[], $11::bigint[])
ON CONFLICT (account, id) DO UPDATE SET status = excluded.status, active = excluded.active, deleted = excluded.deleted,
  created_at = excluded.created_at, observed_at = excluded.observed_at, seq = excluded.seq, data = excluded.data,
  ended_at = excluded.ended_at, progress = NULL, progress_of = NULL
WHERE jobs.seq < excluded.seq"""

_SEEN_PROGRESS: Final = """
UPDATE jobs SET progress = seen.progress, progress_of = CASE WHEN seen.progress IS NOT NULL THEN jobs.seq END
FROM unnest($1::text[], $2::text[], $3::text[]) AS seen (account, id, progress)
WHERE jobs.account = seen.account AND jobs.id = seen.id"""


async def write_jobs(connection: asyncpg.Connection, changes: Sequence[Change], first_seq: int) -> None:
    """Within a transaction: write the jobs of these changes, whose events are numbered from `first_seq` on."""
    if logged := logged_changes(changes):
        rows = [*job_rows(logged, first_seq)]
        ended_at = [_ended_at(change) for change in logged]
        await connection.execute(_UPSERT, *_columns(rows, ended_at))
    if seen := progress_rows(changes):
        accounts, ids, progress = zip(*seen, strict=True)
        await connection.execute(_SEEN_PROGRESS, encode_texts(accounts), encode_texts(ids), progress)


def _columns(rows: Sequence[JobRow], ended_at: Sequence[int | None]) -> tuple[Sequence[object], ...]:
    last = {(row[0], row[1]): place for place, row in enumerate(rows)}  # an upsert takes each key once
    if len(last) < len(rows):
        first_seen = {key: row[6] for row in reversed(rows) if (key := (row[0], row[1]))}
        ended_at = [ended_at[place] for place in last.values()]
        rows = [(*rows[place][:6], first_seen[key], *rows[place][7:]) for key, place in last.items()]
    accounts, ids, statuses, *others = zip(*rows, strict=True)
    return encode_texts(accounts), encode_texts(ids), encode_texts(statuses), *others, ended_at


def _ended_at(change: Change) -> int | None:
    """Unix seconds: of the API, else of the last observation; None while active."""
    if change.known.active:
        return None
    completed_at = change.known.job.completed_at
    return parse_iso(change.events[-1].observed_at) // 1000 if completed_at is None else completed_at
