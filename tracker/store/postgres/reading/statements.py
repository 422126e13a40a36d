"""Owns the statements that read names, outcomes of archiving and counts over PostgreSQL; and all that read in one place."""

from typing import Final

from tracker.store.postgres.reading.delivery_statements import DELIVERIES
from tracker.store.postgres.reading.event_statements import EVENTS
from tracker.store.postgres.reading.job_statements import JOBS
from tracker.store.postgres.reading.overview_statements import OVERVIEW
from tracker.store.postgres.server_clock import SERVER_NOW
from tracker.store.records.names import NameStatements
from tracker.store.records.orphaned_deliveries_and_jobs import OrphanStatements
from tracker.store.records.querying_reader import ReadStatements
from tracker.store.records.result_pages import ResultStatements
from tracker.store.records.silence_list import SilenceStatements
from tracker.store.records.silence_rows import COLUMNS

_RECEIVERS: Final = """WITH RECURSIVE found (name) AS (
  SELECT min(receiver) FROM deliveries
  UNION ALL SELECT (SELECT min(receiver) FROM deliveries WHERE receiver > found.name) FROM found WHERE found.name IS NOT NULL)
SELECT name FROM found WHERE name IS NOT NULL"""
"""One step of the index for each, however many deliveries there are."""

NAMES: Final = NameStatements(
    accounts="SELECT name FROM accounts UNION SELECT account FROM job_counts ORDER BY 1",
    receivers=_RECEIVERS,
    statuses="SELECT DISTINCT status FROM job_counts ORDER BY status",
)

_RESULT: Final = "SELECT account, job, state, archived_at, expired_at, data FROM results WHERE"

RESULTS: Final = ResultStatements(
    one=f"{_RESULT} account = $1 AND job = $2",
    task="SELECT created_at, due_at, attempts, reason, detail FROM archive_tasks WHERE account = $1 AND job = $2",
    page=f"{_RESULT} (archived_at, account, job) > ($1, $2, $3) ORDER BY archived_at, account, job LIMIT $4",
    page_of_account=f"{_RESULT} account = $2 AND (archived_at, job) > ($1, $3) ORDER BY archived_at, job LIMIT $4",
    backlogs="SELECT account, count(*), min(created_at) FROM archive_tasks GROUP BY account",
)

_HELD: Final = f"""(SELECT kind, leases.name FROM leases JOIN replicas USING (instance)
  WHERE expires_at > {SERVER_NOW})"""  # noqa: S608 - of constants

ORPHANS: Final = OrphanStatements(
    receivers=f"{_RECEIVERS} AND ('receiver', name) NOT IN {_HELD}",
    deliveries=DELIVERIES,
    jobs=f"""SELECT account, status, jobs FROM job_counts
      WHERE NOT deleted AND jobs > 0 AND ('account', account) NOT IN {_HELD}""",  # noqa: S608 - of constants
)
"""What a replica with another configuration works on is no orphan, as while the configuration is changed one by one."""

ALL_OPEN: Final = f"SELECT {COLUMNS} FROM silences WHERE ended_at IS NULL"  # noqa: S608 - of constants

SILENCES: Final = SilenceStatements(
    open=f"""SELECT {COLUMNS}, (SELECT count(*) FROM deliveries WHERE silence = silences.id AND state = 'superseded')
      FROM silences WHERE ended_at IS NULL ORDER BY starts_at, id""",  # noqa: S608 - of constants
    ended=f"""SELECT {COLUMNS}, coalesce(silenced, 0) FROM silences
      WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, id LIMIT $1""",  # noqa: S608 - of constants
)

STATEMENTS: Final = ReadStatements(
    events=EVENTS,
    jobs=JOBS,
    deliveries=DELIVERIES,
    results=RESULTS,
    silences=SILENCES,
    names=NAMES,
    orphans=ORPHANS,
    job_counts="SELECT account, status, deleted, jobs FROM job_counts WHERE jobs > 0",
    overview=OVERVIEW,
    last_sweep="SELECT max(swept_at) FROM accounts",
)
