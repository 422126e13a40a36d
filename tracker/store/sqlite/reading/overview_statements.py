"""Owns the statements that read the figures of the overview over SQLite."""

from typing import Final

from tracker.core.events.event_type_table import MOVING_TYPES
from tracker.core.events.time_limits import DEADLINE, STALLED
from tracker.core.jobs.status import RUNNING
from tracker.store.records.overview_figures import OverviewStatements
from tracker.store.records.unlogged_progress import PROGRESS_COLUMN

_ACTIVE: Final = f"""SELECT j.account, j.id, j.status, j.created_at, j.data, {PROGRESS_COLUMN.format("j.")},
  j.status = '{RUNNING}' AND coalesce((SELECT e.type = '{STALLED}' FROM events AS e INDEXED BY events_of_job
    WHERE e.job = j.id AND e.account = j.account AND e.type IN {(STALLED, *MOVING_TYPES)} ORDER BY e.seq DESC LIMIT 1), 0),
  EXISTS (SELECT 1 FROM events AS e INDEXED BY events_deadline
    WHERE e.job = j.id AND e.account = j.account AND e.type = '{DEADLINE}')
FROM jobs AS j INDEXED BY jobs_newest_active WHERE j.active ORDER BY {{order}} LIMIT ?"""  # noqa: S608 - of constants
"""A job is stalled if it has not moved since the log said so. The last event of a job is nearly always one that says it."""

OVERVIEW: Final = OverviewStatements(
    newest=_ACTIVE.format(order="j.created_at DESC, j.account, j.id"),
    oldest=_ACTIVE.format(order="j.created_at, j.account DESC, j.id DESC"),
    ended="""SELECT status, ended_at, data FROM jobs INDEXED BY jobs_ended
WHERE NOT active AND ended_at >= ? ORDER BY ended_at DESC LIMIT ?""",
    results="SELECT state FROM results INDEXED BY results_archived WHERE archived_at >= ? ORDER BY archived_at DESC LIMIT ?",
)
