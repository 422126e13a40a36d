"""Owns reading the jobs: in pages, by creation or by end, each by an index and at a bounded cost; and as commands list them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple

from tracker.core.events.event import outcome_of_counts
from tracker.core.jobs.status import SUCCESS
from tracker.core.queries.filters import JobFilter, read_job_facts
from tracker.core.queries.pages import JobKey, JobPage
from tracker.store.sqlite.reading.events import Query

MAX_ROWS_SKIPPED: Final = 20_000
"""Jobs that one page may skip by an index; some 30 ms."""

MAX_ROWS_DECODED: Final = 10_000
"""Jobs whose JSON one page may decode to filter them; some 40 ms."""

_BATCH_SIZE: Final = 1_000
_LATEST: Final = 2**62
_LAST_CHARACTER: Final = "\U0010ffff"

_COLUMNS: Final = "account, deleted, first_seen_at, observed_at, seq, data"

_PAGE: Final = f"""SELECT {{at}}, id, {_COLUMNS} FROM jobs INDEXED BY {{index}}
WHERE {{condition}} AND {{at}} BETWEEN ?1 AND ?2 AND ({{at}} < ?2 OR (account, id) > (?3, ?4))
  AND (?5 IS NULL OR account = ?5) AND (?6 IS NULL OR active = ?6)
  AND (?7 = '' OR (id >= ?7 AND id < ?8))
  AND +created_at BETWEEN ?11 AND ?12
ORDER BY {{at}} DESC, account, id LIMIT ?9"""  # noqa: S608 - of constants

_END_OF_SCAN: Final = """SELECT {at}, id, account FROM jobs INDEXED BY {index}
WHERE {condition} AND {at} BETWEEN ?1 AND ?2 AND ({at} < ?2 OR (account, id) > (?3, ?4))
ORDER BY {at} DESC, account, id LIMIT 1 OFFSET ?9"""


class _Index(NamedTuple):
    """An index, the condition of its rows, and the time by which it is sorted."""

    name: str
    condition: str
    time: str

    def sql(self, statement: str) -> str:
        return statement.format(index=self.name, condition=self.condition, at=self.time)


_BY_CREATION: Final = _Index("jobs_newest", "TRUE", "created_at")
_OF_ACCOUNT: Final = _Index("jobs_created", "account = ?5", "created_at")
_ACTIVE: Final = _Index("jobs_newest_active", "active", "created_at")
_BY_STATUS: Final = _Index("jobs_newest_of_status", "status = ?10", "created_at")
_BY_END: Final = _Index("jobs_ended", "NOT active", "ended_at")
_OF_ACCOUNT_BY_END: Final = _Index("jobs_ended_of_account", "NOT active AND account = ?5", "ended_at")
_BY_STATUS_BY_END: Final = _Index("jobs_ended_of_status", "NOT active AND status = ?10", "ended_at")

_ONE: Final = f"SELECT {_COLUMNS} FROM jobs WHERE account = ?1 AND id = ?2"  # noqa: S608 - of constants
_ACCOUNTS: Final = "SELECT DISTINCT account FROM job_counts"

_ACTIVE_FIRST: Final = f"""SELECT {_COLUMNS} FROM jobs
WHERE (?1 IS NULL OR account = ?1) AND (?2 = '[]' OR status IN (SELECT value FROM json_each(?2)))
ORDER BY active DESC, created_at DESC, id LIMIT ?3"""  # noqa: S608 - of constants

_LIKE: Final = f"""SELECT {_COLUMNS} FROM jobs
WHERE substr(id, 1, length(?1)) = ?1 AND (?2 IS NULL OR account = ?2) ORDER BY id <> ?1, account, id LIMIT 20"""  # noqa: S608 - of constants


async def read_jobs(query: Query, after: JobKey | None, filters: JobFilter, limit: int) -> JobPage:
    """Up to `limit` jobs behind `after`, in the order that `filters` asks for."""
    if not filters.looks_inside:
        page = await _page(query, after, filters, limit)
        return JobPage(_jobs(page.rows), page.next)
    found: list[tuple[Any, ...]] = []
    for _ in range(MAX_ROWS_DECODED // _BATCH_SIZE):
        page = await _page(query, after, filters, _BATCH_SIZE)
        found += [row for row in page.rows if filters.takes(read_job_facts(row[-1]))]
        if len(found) >= limit:
            return JobPage(_jobs(found[:limit]), _key(found[limit - 1]))
        if page.next is None:
            return JobPage(_jobs(found), None)
        after = page.next
    return JobPage(_jobs(found), after)


async def jobs_by_id(query: Query, job_id: str) -> list[dict[str, Any]]:
    """The jobs of that id, one for each account that has one."""
    accounts = [account for (account,) in await query(_ACCOUNTS)]
    return [job for account in accounts for job in _jobs(await query(_ONE, account, job_id))]


async def jobs_active_first(query: Query, account: str | None, statuses: Sequence[str], limit: int) -> list[dict[str, Any]]:
    return _jobs(await query(_ACTIVE_FIRST, account, json.dumps(list(statuses)), limit))


async def jobs_by_prefix(query: Query, prefix: str, account: str | None) -> list[dict[str, Any]]:
    """The jobs whose id starts with `prefix`; those alone whose id it is, if there are any."""
    found = _jobs(await query(_LIKE, prefix, account))
    return [job for job in found if job["id"] == prefix] or found


class _Rows(NamedTuple):
    """The rows of a `JobPage`, and the key after which the next one begins."""

    rows: list[tuple[Any, ...]]
    next: JobKey | None


async def _page(query: Query, after: JobKey | None, filters: JobFilter, limit: int) -> _Rows:
    index = _choose_index(filters)
    statuses: list[str | None] = [*sorted({*filters.statuses})] or [None]
    place = _parameters(after, filters)
    end = await _end_of_scan(query, index, place, statuses) if filters.passes_over else None
    if end is not None:
        place = (end.at, *place[1:])
    page, created = index.sql(_PAGE), _created(filters)
    rows = [row for status in statuses for row in await query(page, *place, limit + 1, status, *created)]  # a page of each
    rows = sorted((row for row in rows if end is None or _place(row) <= _place_of(end)), key=_place)
    return _Rows(rows[:limit], _key(rows[limit - 1]) if len(rows) > limit else end)


def _choose_index(filters: JobFilter) -> _Index:
    """The index that leads to the fewest jobs that are not wanted."""
    if filters.statuses:
        return _BY_STATUS_BY_END if filters.by_end else _BY_STATUS
    if filters.active and not filters.by_end:
        return _ACTIVE
    if filters.account is None:
        return _BY_END if filters.by_end else _BY_CREATION
    return _OF_ACCOUNT_BY_END if filters.by_end else _OF_ACCOUNT


async def _end_of_scan(query: Query, index: _Index, place: tuple[Any, ...], statuses: Iterable[str | None]) -> JobKey | None:
    """The last job that one page may skip; None where the scan ends before."""
    statement, of_status = index.sql(_END_OF_SCAN), "?10" in index.condition
    ends = [
        row for each in statuses for row in await query(statement, *place, MAX_ROWS_SKIPPED - 1, *([each] if of_status else ()))
    ]
    return _key(min(ends, key=_place)) if ends else None


def _parameters(after: JobKey | None, filters: JobFilter) -> tuple[Any, ...]:
    """The first eight parameters of a statement."""
    oldest, newest = (0, _LATEST) if filters.by_end else _created(filters)
    account, id_ = "", ""
    if after is not None and after.at <= newest:
        newest, account, id_ = after
    prefix = (filters.prefix, filters.prefix + _LAST_CHARACTER)
    return oldest, newest, account, id_, filters.account, filters.active, *prefix


def _created(filters: JobFilter) -> tuple[int, int]:
    """The first and the last second in which a job may have been created."""
    oldest = 0 if filters.created_after is None else filters.created_after + 1
    newest = _LATEST if filters.created_before is None else filters.created_before - 1
    return oldest, newest


def _key(row: tuple[Any, ...]) -> JobKey:
    at, id_, account, *_ = row
    return JobKey(at, account, id_)


def _place(row: tuple[Any, ...]) -> tuple[int, str, str]:
    return _place_of(_key(row))


def _place_of(key: JobKey) -> tuple[int, str, str]:
    return -key.at, key.account, key.id


def _jobs(rows: Iterable[tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [_job(*row[-6:]) for row in rows]


def _job(account: str, deleted: int, first_seen_at: str, observed_at: str, seq: int, data: str) -> dict[str, Any]:
    job: dict[str, Any] = json.loads(data)
    return job | {
        "account": account,
        "deleted": bool(deleted),
        "first_seen_at": first_seen_at,
        "observed_at": observed_at,
        "seq": seq,
        "outcome": outcome_of_counts(job["total_requests"], job["succeeded_requests"]) if job["status"] == SUCCESS else None,
    }
