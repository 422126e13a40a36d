"""Owns the statements that read the figures of the overview over PostgreSQL."""

from typing import Final

from tracker.core.events.event_type_table import MOVING_TYPES
from tracker.core.events.time_limits import DEADLINE, STALLED
from tracker.core.jobs.status import RUNNING
from tracker.store.records.overview_figures import OverviewStatements
from tracker.store.records.unlogged_progress import PROGRESS

_ACTIVE: Final = f"""SELECT j.account, j.id, j.status, j.created_at, j.data, j.progress,
  j.status = '{RUNNING}' AND coalesce((SELECT e.type = '{STALLED}' FROM events AS e
    WHERE e.job = j.id AND e.account = j.account AND e.type IN {(STALLED, *MOVING_TYPES)} ORDER BY e.seq DESC LIMIT 1), false),
  EXISTS (SELECT 1 FROM events AS e WHERE e.job = j.id AND e.account = j.account AND e.type = '{DEADLINE}')
FROM (SELECT account, id, status, created_at, data, {PROGRESS} AS progress
  FROM jobs WHERE active ORDER BY {{order}} LIMIT $1) AS j"""  # noqa: S608 - of constants
"""A job is stalled if it has not moved since the log said so. The last event of a job is nearly always one that says it."""

OVERVIEW: Final = OverviewStatements(
    newest=_ACTIVE.format(order="created_at DESC, account, id"),
    oldest=_ACTIVE.format(order="created_at, account DESC, id DESC"),
    ended="""SELECT status, ended_at, data FROM jobs
WHERE NOT active AND ended_at >= $1 AND created_at IS DISTINCT FROM -1 ORDER BY ended_at DESC LIMIT $2""",
    results="SELECT state FROM results WHERE archived_at >= $1 ORDER BY archived_at DESC LIMIT $2",
)
