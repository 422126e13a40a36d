"""Owns reading the jobs: in pages, the newest first, each by an index and within a bound; and as commands list them."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from tracker.core.event import worth
from tracker.core.filters import JobFilter
from tracker.core.pages import JobKey, JobPage
from tracker.core.status import SUCCESS
from tracker.store.read_events import Look

MOST_LOOKED_INSIDE: Final = 20_000
"""Jobs that one page may read whole, to find those that are wanted; a fraction of a second."""

_READ_AT_ONCE: Final = 500
_LATEST: Final = 2**62
_LAST_CHARACTER: Final = "\U0010ffff"

_COLUMNS: Final = "account, deleted, first_seen_at, observed_at, seq, data"

_PAGE: Final = f"""SELECT created_at, id, {_COLUMNS} FROM jobs INDEXED BY %s
WHERE %s AND created_at BETWEEN ?1 AND ?2 AND (created_at < ?2 OR (account, id) > (?3, ?4))
  AND (?5 IS NULL OR account = ?5) AND (?6 IS NULL OR active = ?6)
  AND (?7 = '' OR (id >= ?7 AND id < ?8))
ORDER BY created_at DESC, account, id LIMIT ?9"""  # noqa: S608 - of constants

_BY_CREATION: Final = _PAGE % ("jobs_newest", "TRUE")
_ACTIVE: Final = _PAGE % ("jobs_newest_active", "active")
_BY_STATUS: Final = _PAGE % ("jobs_newest_of_status", "status = ?10")

_ONE: Final = f"SELECT {_COLUMNS} FROM jobs WHERE account = ?1 AND id = ?2"  # noqa: S608 - of constants
_ACCOUNTS: Final = "SELECT DISTINCT account FROM job_counts"

_ACTIVE_FIRST: Final = f"""SELECT {_COLUMNS} FROM jobs
WHERE (?1 IS NULL OR account = ?1) AND (?2 = '[]' OR status IN (SELECT value FROM json_each(?2)))
ORDER BY active DESC, created_at DESC, id LIMIT ?3"""  # noqa: S608 - of constants

_LIKE: Final = f"""SELECT {_COLUMNS} FROM jobs
WHERE substr(id, 1, length(?1)) = ?1 ORDER BY id <> ?1, account, id LIMIT 20"""  # noqa: S608 - of constants


async def read_jobs(look: Look, after: JobKey | None, which: JobFilter, limit: int) -> JobPage:
    """Up to `limit` jobs behind `after`, the newest first."""
    if not which.looks_inside:
        return await _page(look, after, which, limit)
    found: list[dict[str, Any]] = []
    for _ in range(MOST_LOOKED_INSIDE // _READ_AT_ONCE):
        page = await _page(look, after, which, _READ_AT_ONCE)
        for job in page.jobs:
            if which.takes(job):
                found.append(job)
                if len(found) == limit:
                    return JobPage(found, JobKey(job["created_at"], job["account"], job["id"]))
        if page.next is None:
            return JobPage(found, None)
        after = page.next
    return JobPage(found, after)


async def jobs_of_id(look: Look, job_id: str) -> list[dict[str, Any]]:
    """The jobs of that id, one for each account that has one."""
    accounts = [account for (account,) in await look(_ACCOUNTS)]
    return [job for account in accounts for job in _jobs(await look(_ONE, account, job_id))]


async def jobs_active_first(look: Look, account: str | None, statuses: Sequence[str], limit: int) -> list[dict[str, Any]]:
    return _jobs(await look(_ACTIVE_FIRST, account, json.dumps(list(statuses)), limit))


async def jobs_like(look: Look, prefix: str) -> list[dict[str, Any]]:
    """The jobs whose id starts with `prefix`; the one whose id it is, if there is one."""
    found = _jobs(await look(_LIKE, prefix))
    return [job for job in found if job["id"] == prefix] or found


async def _page(look: Look, after: JobKey | None, which: JobFilter, limit: int) -> JobPage:
    place = _parameters(after, which, limit + 1)
    if which.statuses:  # a page of each, of which the newest are the page
        rows = [row for status in sorted({*which.statuses}) for row in await look(_BY_STATUS, *place, status)]
        rows.sort(key=_place)
    else:
        rows = await look(_ACTIVE if which.active else _BY_CREATION, *place)
    return JobPage(_jobs(rows[:limit]), _key(rows[limit - 1]) if len(rows) > limit else None)


def _parameters(after: JobKey | None, which: JobFilter, limit: int) -> tuple[Any, ...]:
    oldest = 0 if which.created_after is None else which.created_after + 1
    newest = _LATEST if which.created_before is None else which.created_before - 1
    account, id_ = "", ""
    if after is not None and after.created_at <= newest:
        newest, account, id_ = after
    prefix = (which.prefix, which.prefix + _LAST_CHARACTER)
    return oldest, newest, account, id_, which.account, which.active, *prefix, limit


def _key(row: tuple[Any, ...]) -> JobKey:
    created_at, id_, account, *_ = row
    return JobKey(created_at, account, id_)


def _place(row: tuple[Any, ...]) -> tuple[int, str, str]:
    created_at, account, id_ = _key(row)
    return -created_at, account, id_


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
        "outcome": worth(job["total_requests"], job["succeeded_requests"]) if job["status"] == SUCCESS else None,
    }
