"""Owns the statements that read jobs over SQLite."""

from typing import Final

from tracker.store.records.job_pages import JobScan, JobStatements
from tracker.store.records.unlogged_progress import PROGRESS

_COLUMNS: Final = f"account, deleted, first_seen_at, observed_at, seq, {PROGRESS} AS progress, data"

_PAGE: Final = f"""SELECT {{at}}, id, {_COLUMNS} FROM jobs INDEXED BY {{index}}
WHERE {{condition}} AND {{at}} BETWEEN ?1 AND ?2 AND ({{at}} < ?2 OR (account, id) > (?3, ?4))
  AND (?5 IS NULL OR account = ?5) AND (?6 IS NULL OR active = ?6)
  AND (?7 = '' OR (id >= ?7 AND id < ?8))
  AND +created_at BETWEEN ?11 AND ?12
  AND (?13 IS NULL OR instr(iif(?14, lower(data), data), ?13) OR ?14 AND length(data) < length(CAST(data AS BLOB)))
ORDER BY {{at}} DESC, account, id LIMIT ?9"""  # noqa: S608 - of constants

_END_OF_SCAN: Final = """SELECT {at}, id, account FROM jobs INDEXED BY {index}
WHERE {condition} AND {at} BETWEEN ?1 AND ?2 AND ({at} < ?2 OR (account, id) > (?3, ?4))
ORDER BY {at} DESC, account, id LIMIT 1 OFFSET ?9"""

_BY_ID: Final = f"""SELECT {_COLUMNS} FROM (SELECT DISTINCT account AS known FROM job_counts) CROSS JOIN jobs
WHERE account = known AND id = ?1"""  # noqa: S608 - of constants

_ACTIVE_FIRST: Final = f"""SELECT {_COLUMNS} FROM jobs
WHERE (?1 IS NULL OR account = ?1) AND (?2 = '[]' OR status IN (SELECT value FROM json_each(?2)))
ORDER BY active DESC, created_at DESC, id, account LIMIT ?3"""  # noqa: S608 - of constants

_LIKE: Final = f"""SELECT {_COLUMNS} FROM jobs
WHERE substr(id, 1, length(?1)) = ?1 AND (?2 IS NULL OR account = ?2) ORDER BY id <> ?1, account, id LIMIT 20"""  # noqa: S608 - of constants


def _page(scan: JobScan) -> str:
    return _PAGE.format(index=scan.index_name, at=scan.time, condition=_condition(scan))


def _end_of_scan(scan: JobScan) -> str:
    return _END_OF_SCAN.format(index=scan.index_name, at=scan.time, condition=_condition(scan))


def _condition(scan: JobScan) -> str:
    """What each row of the index fulfils; SQLite uses a partial index only where it is said."""
    activity = {None: "TRUE", True: "active", False: "NOT active"}[scan.active]
    account = " AND account = ?5" if scan.of_account else ""
    return f"{activity}{account} AND {'status = ?10' if scan.of_status else '?10 IS NULL'}"


JOBS: Final = JobStatements(_page, _end_of_scan, _BY_ID, _ACTIVE_FIRST, _LIKE)
