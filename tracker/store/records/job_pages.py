"""Owns reading the jobs: in pages, by creation or by end, each by an index and at a bounded cost; and as commands list them."""

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from tracker.core.events.event import outcome_of_data
from tracker.core.jobs.native import provider_of
from tracker.core.jobs.status import SUCCESS
from tracker.core.queries.filters import JobFilter, read_job_facts
from tracker.core.queries.pagination import JobKey, JobPage
from tracker.store.records.query import Query
from tracker.store.records.unlogged_progress import last_seen

MAX_ROWS_SKIPPED: Final = 20_000
"""Jobs that one page may skip by an index; some 30 ms."""

MAX_ROWS_DECODED: Final = 6_000
"""Jobs whose JSON one page may decode to filter them; some 25 ms of SQLite's, 40 of PostgreSQL's."""

_BATCH_SIZE: Final = 1_000
_LATEST: Final = 2**62
_LAST_CHARACTER: Final = "\U0010ffff"


class JobScan(NamedTuple):
    """A scan of the jobs by an index: what it is for, and the time by which it is sorted, the last first."""

    index_name: str
    of_account: bool = False
    of_status: bool = False
    active: bool | None = None
    time: str = "created_at"


class JobStatements(NamedTuple):
    """The statements of an engine that select jobs.

    Each row ends with account, deleted, first_seen_at, observed_at, seq, progress, data.

    The rows of `page` begin with the time of the scan and the id; those of `end_of_scan` are time, id and account. Parameters
    of `page`: the oldest and the newest time, account and id behind which the newest begins, the wanted account, whether
    active, the prefix and what comes behind it, the limit, the status, the first and last second of creation, a needle, and
    whether it folds. `end_of_scan` has those that its scan needs, with the number of jobs to skip for the limit.
    """

    page: Callable[[JobScan], str]
    end_of_scan: Callable[[JobScan], str]
    by_id: str
    active_first: str
    by_prefix: str


_BY_CREATION: Final = JobScan("jobs_newest")
_OF_ACCOUNT: Final = JobScan("jobs_created", of_account=True)
_ACTIVE: Final = JobScan("jobs_newest_active", active=True)
_BY_STATUS: Final = JobScan("jobs_newest_of_status", of_status=True)
_BY_END: Final = JobScan("jobs_ended", active=False, time="ended_at")
_OF_ACCOUNT_BY_END: Final = JobScan("jobs_ended_of_account", of_account=True, active=False, time="ended_at")
_BY_STATUS_BY_END: Final = JobScan("jobs_ended_of_status", of_status=True, active=False, time="ended_at")


async def read_jobs(query: Query, statements: JobStatements, after: JobKey | None, filters: JobFilter, limit: int) -> JobPage:
    """Up to `limit` jobs behind `after`, in the order that `filters` asks for."""
    end = await _end_of_page(query, statements, after, filters)
    if not filters.needs_json:
        page = await _page(query, statements, after, end, filters, limit)
        return JobPage(_jobs(page.rows), page.next)
    found: list[tuple[Any, ...]] = []
    while True:
        page = await _page(query, statements, after, end, filters, _BATCH_SIZE)
        found += [row for row in page.rows if filters.matches(read_job_facts(row[-1]))]
        if len(found) >= limit:
            return JobPage(_jobs(found[:limit]), _key(found[limit - 1]))
        if page.next == end:
            return JobPage(_jobs(found), end)
        after = page.next


async def jobs_by_id(query: Query, statements: JobStatements, job_id: str) -> list[dict[str, Any]]:
    """The jobs of that id, one for each account that has one."""
    return _jobs(await query(statements.by_id, job_id))


async def jobs_active_first(
    query: Query, statements: JobStatements, account: str | None, statuses: Sequence[str], limit: int
) -> list[dict[str, Any]]:
    return _jobs(await query(statements.active_first, account, list(statuses), limit))


async def jobs_by_prefix(query: Query, statements: JobStatements, prefix: str, account: str | None) -> list[dict[str, Any]]:
    """The jobs whose id starts with `prefix`; those alone whose id it is, if there are any."""
    found = _jobs(await query(statements.by_prefix, prefix, account))
    return [job for job in found if job["id"] == prefix] or found


class _Rows(NamedTuple):
    """The rows of a `JobPage`, and the key after which the next one begins."""

    rows: list[tuple[Any, ...]]
    next: JobKey | None


async def _page(
    query: Query, statements: JobStatements, after: JobKey | None, end: JobKey | None, filters: JobFilter, limit: int
) -> _Rows:
    place = _parameters(after, filters)
    if end is not None:
        place = (end.at, *place[1:])
    page, more = statements.page(_choose_scan(filters)), (*_created(filters), *(filters.needle or (None, False)))
    rows = [row for status in _statuses(filters) for row in await query(page, *place, limit + 1, status, *more)]  # of each
    rows = sorted((row for row in rows if end is None or _place(row) <= _place_of(end)), key=_place)
    return _Rows(rows[:limit], _key(rows[limit - 1]) if len(rows) > limit else end)


def _choose_scan(filters: JobFilter) -> JobScan:
    """The scan that leads to the fewest jobs that are not wanted."""
    if filters.statuses:
        return _BY_STATUS_BY_END if filters.by_end else _BY_STATUS
    if filters.active and not filters.by_end:
        return _ACTIVE
    if filters.account is None:
        return _BY_END if filters.by_end else _BY_CREATION
    return _OF_ACCOUNT_BY_END if filters.by_end else _OF_ACCOUNT


def _statuses(filters: JobFilter) -> list[str | None]:
    return [*sorted({*filters.statuses})] or [None]


async def _end_of_page(query: Query, statements: JobStatements, after: JobKey | None, filters: JobFilter) -> JobKey | None:
    """The last job that one page may reach; None if the scan ends before, or the page has all that it passes."""
    if not (filters.needs_json or filters.may_skip_rows):
        return None
    statement, place, statuses = statements.end_of_scan(_choose_scan(filters)), _parameters(after, filters), _statuses(filters)
    reach = max(1, MAX_ROWS_DECODED // len(statuses)) if filters.needs_json else MAX_ROWS_SKIPPED
    ends = [row for each in statuses for row in await query(statement, *place, reach - 1, each)]
    return _key(min(ends, key=_place)) if ends else None


def _parameters(after: JobKey | None, filters: JobFilter) -> tuple[Any, ...]:
    """The first eight parameters of `JobStatements.page`."""
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
    return [_job(*row[-7:]) for row in rows]


def _job(account: str, deleted: int, first_seen_at: str, logged_at: str, seq: int, *of_job: Any) -> dict[str, Any]:
    progress, data = of_job
    job, observed_at = last_seen(json.loads(data), logged_at, progress)
    return job | {
        "account": account,
        "provider": provider_of(job),
        "deleted": bool(deleted),
        "first_seen_at": first_seen_at,
        "observed_at": observed_at,
        "seq": seq,
        "outcome": outcome_of_data(job) if job["status"] == SUCCESS else None,
    }
