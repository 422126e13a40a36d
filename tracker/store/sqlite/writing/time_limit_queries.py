"""Owns the queries for time limits: since when a job has not moved, and which events about that were logged."""

import sqlite3
from typing import Final

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN
from tracker.core.deliveries.reminders import is_receiver_reminder
from tracker.core.events.event import Event
from tracker.core.events.event_type_table import ACCOUNT_TYPES, MOVING_TYPES, RECEIVER_TYPES
from tracker.core.events.time_limits import DEADLINE, STALLED
from tracker.store.records.time_limit_rows import shows_job
from tracker.store.records.unlogged_progress import PROGRESS_COLUMN

ACTIVE_JOB_STATUSES: Final = f"""
SELECT j.id, j.data, {PROGRESS_COLUMN.format("j.")}, moved.observed_at,
  (SELECT e.body FROM events AS e INDEXED BY events_of_job
    WHERE e.job = j.id AND e.account = j.account AND e.seq > moved.seq AND e.type = '{STALLED}' ORDER BY e.seq DESC LIMIT 1),
  EXISTS (SELECT 1 FROM events AS e INDEXED BY events_deadline
    WHERE e.job = j.id AND e.account = j.account AND e.type = '{DEADLINE}')
FROM jobs AS j INDEXED BY jobs_active CROSS JOIN events AS moved ON moved.seq = (
  SELECT e.seq FROM events AS e INDEXED BY events_of_job
  WHERE e.job = j.id AND e.account = j.account AND e.type IN {MOVING_TYPES} ORDER BY e.seq DESC LIMIT 1)
WHERE j.account = ? AND j.active AND j.id > ? ORDER BY j.id LIMIT ?"""  # noqa: S608 - of constants
"""The rows for `decode_statuses`, by indexes, without reading a job's whole history."""

LAST_ACCOUNT_EVENT: Final = f"""SELECT body FROM events INDEXED BY events_of_account
WHERE job IS NULL AND account = ? AND type IN {ACCOUNT_TYPES} ORDER BY seq DESC LIMIT 1"""  # noqa: S608 - of constants

FAILING_RECEIVERS: Final = f"""
SELECT name, failures, since, quiet_until, asked_until, reason, detail, disabled FROM receivers
WHERE disabled OR failures >= {FAILURES_TO_OPEN}"""  # noqa: S608 - of constants

LAST_RECEIVER_EVENT: Final = f"""SELECT body FROM events INDEXED BY events_of_account
WHERE job IS NULL AND account = '' AND type IN {RECEIVER_TYPES} AND json_extract(body, '$.data.receiver') = ?
ORDER BY seq DESC LIMIT 1"""  # noqa: S608 - of constants

_FAILS: Final = f"SELECT 1 FROM receivers WHERE name = ? AND (disabled OR failures >= {FAILURES_TO_OPEN})"  # noqa: S608 - of constants

_JOB: Final = "SELECT data FROM jobs WHERE account = ? AND id = ? AND active"


def is_current(connection: sqlite3.Connection, event: Event) -> bool:
    """Whether the job that `event` is about is still active, and as the event has it; or the receiver of a reminder fails."""
    if is_receiver_reminder(event):
        return connection.execute(_FAILS, (event.data["receiver"],)).fetchone() is not None
    if "id" not in event.data:
        return True
    rows = connection.execute(_JOB, (event.account, event.data["id"]))
    return any(shows_job(event, data) for (data,) in rows)
