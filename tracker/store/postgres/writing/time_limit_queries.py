"""Owns the queries for time limits: since when a job has not moved, and which events about that were logged."""

from collections.abc import Iterable, Sequence
from typing import Final

import asyncpg

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN
from tracker.core.deliveries.reminders import is_receiver_reminder
from tracker.core.events.event import Event
from tracker.core.events.event_type_table import ACCOUNT_TYPES, MOVING_TYPES, RECEIVER_TYPES
from tracker.core.events.time_limits import DEADLINE, STALLED
from tracker.store.postgres.database.text_escape import decode_text, encode_texts
from tracker.store.records.time_limit_rows import shows_job
from tracker.store.records.unlogged_progress import PROGRESS

ACTIVE_JOB_STATUSES: Final = f"""
SELECT j.id, j.data, j.progress, moved.observed_at,
  (SELECT e.body FROM events AS e
    WHERE e.job = j.id AND e.account = j.account AND e.seq > moved.seq AND e.type = '{STALLED}' ORDER BY e.seq DESC LIMIT 1),
  EXISTS (SELECT 1 FROM events AS e WHERE e.job = j.id AND e.account = j.account AND e.type = '{DEADLINE}')
FROM (SELECT account, id, data, {PROGRESS} AS progress FROM jobs
  WHERE account = $1 AND active AND id > $2 ORDER BY id LIMIT $3) AS j
LEFT JOIN LATERAL (
  SELECT e.seq, e.observed_at FROM events AS e
  WHERE e.job = j.id AND e.account = j.account AND e.type IN {MOVING_TYPES} ORDER BY e.seq DESC LIMIT 1) AS moved ON true
ORDER BY j.id"""  # noqa: S608 - of constants
"""The rows for `decode_statuses`, by indexes, without reading a job's whole history; NULL for a job that has no event."""

LAST_ACCOUNT_EVENT: Final = f"""SELECT body FROM events
WHERE job IS NULL AND account = $1 AND type IN {ACCOUNT_TYPES} ORDER BY seq DESC LIMIT 1"""  # noqa: S608 - of constants

FAILING_RECEIVERS: Final = f"""
SELECT name, failures, since, quiet_until, asked_until, reason, detail, disabled, commands FROM receivers
WHERE disabled OR failures >= {FAILURES_TO_OPEN}"""  # noqa: S608 - of constants

LAST_RECEIVER_EVENT: Final = f"""SELECT body FROM events
WHERE job IS NULL AND account = '' AND type IN {RECEIVER_TYPES} AND body::json -> 'data' ->> 'receiver' = $1
ORDER BY seq DESC LIMIT 1"""  # noqa: S608 - of constants

_FAILS: Final = f"SELECT name FROM receivers WHERE name = ANY ($1::text[]) AND (disabled OR failures >= {FAILURES_TO_OPEN})"  # noqa: S608 - of constants

_JOBS: Final = """
SELECT n, data FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (account, id, n)
JOIN jobs USING (account, id) WHERE active"""


async def current_events(connection: asyncpg.Connection, events: Iterable[Event]) -> list[Event]:
    """Those of `events` that are still true.

    An event about a job is if the job is still active, and as the event has it; a reminder of a receiver, if that still fails.
    """
    given = list(events)
    over = await _changed_jobs(connection, given) | await _recovered_receivers(connection, given)
    return [event for place, event in enumerate(given) if place not in over]


async def _changed_jobs(connection: asyncpg.Connection, events: Sequence[Event]) -> set[int]:
    """The places of the events whose job is not as they have it."""
    about = [(place, event) for place, event in enumerate(events) if "id" in event.data]
    if not about:
        return set()
    accounts, ids = encode_texts([event.account for _, event in about]), encode_texts([event.data["id"] for _, event in about])
    found = {about[n - 1][0]: data for n, data in await connection.fetch(_JOBS, accounts, ids)}
    return {place for place, event in about if place not in found or not shows_job(event, found[place])}


async def _recovered_receivers(connection: asyncpg.Connection, events: Sequence[Event]) -> set[int]:
    """The places of the reminders whose receiver does not fail."""
    about = {place: event.data["receiver"] for place, event in enumerate(events) if is_receiver_reminder(event)}
    if not about:
        return set()
    failing = {decode_text(name) for (name,) in await connection.fetch(_FAILS, encode_texts([*about.values()]))}
    return {place for place, name in about.items() if name not in failing}
