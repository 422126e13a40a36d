"""Owns reading the outcomes of archiving, of one job and in pages, each by an index, and the archive tasks."""

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from tracker.core.events.event import iso
from tracker.core.queries.pagination import ResultsKey, ResultsPage
from tracker.core.results.archive_task import ArchiveBacklog
from tracker.store.records.query import Query


class ResultStatements(NamedTuple):
    """The statements of an engine that select archive tasks and outcomes (account, job, state, archived_at, expired_at, data).

    Parameters of `one` and `task`: account and job; of `page`: the time, account and job behind which it begins, the limit; of
    `page_of_account`: the time, account and job, the limit.
    """

    one: str
    task: str
    page: str
    page_of_account: str
    backlogs: str


_NOTHING: Final[dict[str, Any]] = {"files": [], "missing": [], "digest": None, "usage": None, "cost": None}


async def read_results(query: Query, statements: ResultStatements, account: str, job_id: str) -> dict[str, Any] | None:
    """The outcome of archiving a job's result files; None if there is neither a task nor an outcome."""
    outcome, task = await query(statements.one, account, job_id), await query(statements.task, account, job_id)
    if not outcome and not task:
        return None
    found = _results(*outcome[0]) if outcome else _pending(account, job_id)
    return found | {"task": _task(*task[0]) if task else None}


async def read_results_page(
    query: Query, statements: ResultStatements, after: ResultsKey | None, account: str | None, since: int, limit: int
) -> ResultsPage:
    """Up to `limit` outcomes after that key, of all accounts or one, archived `since` then, in order."""
    at, of, job = after or ResultsKey(since, "", "")
    if account is None:
        rows = await query(statements.page, at, of, job, limit + 1)
    else:
        rows = await query(statements.page_of_account, at, account, job, limit + 1)
    found = [_results(*row) for row in rows[:limit]]
    return ResultsPage(found, _key(*rows[limit - 1]) if len(rows) > limit and found else None)


def decode_backlogs(rows: Iterable[tuple[str, int, int]]) -> dict[str, ArchiveBacklog]:
    """The backlog of each row of `backlogs`, by the account's name."""
    return {account: ArchiveBacklog(tasks, oldest) for account, tasks, oldest in rows}


def _results(account: str, job: str, state: str, archived_at: int, expired_at: int | None, data: str) -> dict[str, Any]:
    times = {"archived_at": iso(archived_at), "expired_at": None if expired_at is None else iso(expired_at)}
    return {"account": account, "job": job, "state": state, **times, **json.loads(data)}


def _pending(account: str, job: str) -> dict[str, Any]:
    return {"account": account, "job": job, "state": "pending", "archived_at": None, "expired_at": None, **_NOTHING}


def _task(created_at: int, due_at: int, attempts: int, reason: str, detail: str) -> dict[str, Any]:
    times = {"created_at": iso(created_at), "due_at": iso(due_at)}
    return {**times, "attempts": attempts, "reason": reason or None, "detail": detail or None}


def _key(account: str, job: str, _state: str, archived_at: int, *_: Any) -> ResultsKey:
    return ResultsKey(archived_at, account, job)
