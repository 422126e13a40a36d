"""Owns the queries of overdue jobs and unreachable accounts: since when a job has not moved, and what was logged of that."""

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from tracker.core.events.event import Event, parse_iso
from tracker.core.events.time_driven import DEADLINE, STALLED, ActiveJobStatus
from tracker.core.events.types import ACCOUNT_TYPES, MOVING_TYPES
from tracker.core.jobs.job import Job, parse_job, read_job

ACTIVE_JOB_STATUSES: Final = f"""
SELECT j.id, j.data, moved.observed_at,
  EXISTS (SELECT 1 FROM events AS e INDEXED BY events_of_job
    WHERE e.job = j.id AND e.account = j.account AND e.seq > moved.seq AND e.type = '{STALLED}'),
  EXISTS (SELECT 1 FROM events AS e INDEXED BY events_deadline
    WHERE e.job = j.id AND e.account = j.account AND e.type = '{DEADLINE}')
FROM jobs AS j INDEXED BY jobs_active CROSS JOIN events AS moved ON moved.seq = (
  SELECT e.seq FROM events AS e INDEXED BY events_of_job
  WHERE e.job = j.id AND e.account = j.account AND e.type IN {MOVING_TYPES} ORDER BY e.seq DESC LIMIT 1)
WHERE j.account = ? AND j.active AND j.id > ? ORDER BY j.id LIMIT ?"""  # noqa: S608 - of constants
"""The rows that `decode_statuses` takes: from an index each, and none of them reads a job's whole history."""

STATUSES_PER_PAGE: Final = 500
"""Few enough that reading a page delays no other task for long."""

LAST_ACCOUNT_EVENT: Final = f"""SELECT body FROM events INDEXED BY events_of_account
WHERE job IS NULL AND account = ? AND type IN {ACCOUNT_TYPES} ORDER BY seq DESC LIMIT 1"""  # noqa: S608 - of constants

_JOB: Final = "SELECT data FROM jobs WHERE account = ? AND id = ? AND active"

decode_event: Final = msgspec.json.Decoder(Event).decode


def decode_statuses(rows: Iterable[tuple[Any, ...]]) -> list[ActiveJobStatus]:
    """One for each row whose job can be read."""
    read = ((parse_job(data.encode()), *rest) for _, data, *rest in rows)
    return [
        ActiveJobStatus(job=job, moved_at=parse_iso(moved_at), stalled=bool(stalled), warned=bool(warned))
        for job, moved_at, stalled, warned in read
        if isinstance(job, Job)
    ]


def is_current(connection: sqlite3.Connection, event: Event) -> bool:
    """Whether the job that `event` is about is still active, and as the event has it; what is about no job always is."""
    if "id" not in event.data:
        return True
    rows = connection.execute(_JOB, (event.account, event.data["id"]))
    return any(parse_job(data.encode()) == read_job(event.data) for (data,) in rows)
