"""Owns the statements that read jobs over PostgreSQL."""

from typing import Final

from tracker.store.records.job_pages import JobScan, JobStatements
from tracker.store.records.unlogged_progress import PROGRESS

_COLUMNS: Final = f"account, deleted, first_seen_at, observed_at, seq, {PROGRESS} AS progress, data"

_OF_ALL: Final = "created_at IS DISTINCT FROM -1"
"""The condition of the indexes of all jobs. Without it PostgreSQL would also take one of them for the jobs of an account, which
it supposes to be spread evenly, and pass over a million newer jobs of others."""

_SCANNED: Final = """FROM jobs
WHERE {condition} AND {at} BETWEEN $1 AND $2 AND ({at} < $2 OR (account, id) > ($3, $4))"""

_PAGE: Final = f"""SELECT {{at}}, id, {_COLUMNS} {_SCANNED}
  AND ($5::text IS NULL OR account = $5) AND ($6::boolean IS NULL OR active = $6)
  AND ($7::text = '' OR (id >= $7 AND id < $8))
  AND created_at BETWEEN $11 AND $12
  AND ($13::text IS NULL OR position($13 IN CASE WHEN $14::boolean THEN lower(data) ELSE data END) > 0
    OR $14 AND length(data) < octet_length(data))
ORDER BY {{at}} DESC, account, id LIMIT $9"""

_END_OF_SCAN: Final = f"""SELECT {{at}}, id, account {_SCANNED}
ORDER BY {{at}} DESC, account, id LIMIT 1 OFFSET $9"""

_BY_ID: Final = f"SELECT {_COLUMNS} FROM jobs WHERE id = $1 ORDER BY account"  # noqa: S608 - of constants

_SOME: Final = f"""(SELECT active, created_at, id, {_COLUMNS} FROM jobs
  WHERE {{activity}} AND {_OF_ALL} AND ($1::text IS NULL OR account = $1) AND (cardinality($2::text[]) = 0 OR status = ANY ($2))
  ORDER BY created_at DESC, id, account LIMIT CASE WHEN $3::bigint >= 0 THEN $3 END)"""  # noqa: S608 - of constants

_ACTIVE_FIRST: Final = f"""SELECT account, deleted, first_seen_at, observed_at, seq, progress, data FROM (
{_SOME.format(activity="active")}
UNION ALL
{_SOME.format(activity="NOT active")}) AS found
ORDER BY active DESC, created_at DESC, id, account LIMIT CASE WHEN $3::bigint >= 0 THEN $3 END"""  # noqa: S608 - of constants
"""Two parts, so that each is read by an index that has its order."""

_BY_PREFIX: Final = f"""SELECT {_COLUMNS} FROM jobs
WHERE id >= $1 AND id < $1 || chr(1114111) AND ($2::text IS NULL OR account = $2)
ORDER BY id <> $1, account, id LIMIT 20"""  # noqa: S608 - of constants


def _format(sql: str, scan: JobScan) -> str:
    wanted = {None: [], True: ["active"], False: ["NOT active"]}[scan.active]
    wanted += ["account = $5"] if scan.of_account else []
    wanted += ["status = $10"] if scan.of_status else []
    wanted += [] if scan.of_account or scan.of_status else [_OF_ALL]
    return sql.format(at=scan.time, condition=" AND ".join(wanted))


JOBS: Final = JobStatements(
    page=lambda scan: _format(_PAGE, scan),
    end_of_scan=lambda scan: _format(_END_OF_SCAN, scan),
    by_id=_BY_ID,
    active_first=_ACTIVE_FIRST,
    by_prefix=_BY_PREFIX,
)
