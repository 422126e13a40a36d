"""Owns reading the figures of the overview: a few statements, each by an index and of bounded length."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from tracker.core.events.event import outcome_of_data
from tracker.core.jobs.status import SUCCESS, is_terminal
from tracker.core.queries.overview import (
    END_OF_OUTCOME,
    END_OF_STATUS,
    ActiveJob,
    End,
    Overview,
    failing_jobs,
    first_hour,
    hours_of_ends,
    loads,
)
from tracker.store.records.query import Query
from tracker.store.records.unlogged_progress import newer_values

MAX_ACTIVE: Final = 2000
"""Active jobs that are read; of more the oldest and the newest."""

MAX_ENDS: Final = 4000
"""Ended jobs that are read, the last to end."""

MAX_RESULTS: Final = 2000
"""Outcomes of archiving that are counted, the newest."""

_MISSING: Final = ("partial", "gone", "forbidden", "too_large", "failed")
"""The states of results of which a file is missing."""


class OverviewStatements(NamedTuple):
    """The statements of an engine.

    `newest` and `oldest` select active jobs (account, id, status, created_at, data, progress, stalled, near_deadline);
    parameter: the limit. `ended` selects the jobs that ended since then, the last first (status, ended_at, data);
    parameters: Unix seconds, the limit. `results` selects the states of the outcomes of archiving since then; parameters: Unix
    milliseconds, the limit.
    """

    newest: str
    oldest: str
    ended: str
    results: str


class _Stored(msgspec.Struct):
    """What the overview needs of a stored job. What is no counter may be anything that the API sent."""

    model: Any = None
    provider: Any = ""
    total_requests: int = 0
    succeeded_requests: int = 0
    failed_requests: int = 0
    output_file: Any = None
    error_file: Any = None


_decode: Final = msgspec.json.Decoder(_Stored).decode


async def read_overview(query: Query, statements: OverviewStatements, job_counts: str, now: int) -> Overview:
    """The overview at `now` (Unix milliseconds)."""
    since = first_hour(now)
    active = _count_active(await query(job_counts))
    jobs = [_active_job(*row) for row in await _read_active(query, statements, active)]
    ended = await query(statements.ended, since, MAX_ENDS)
    known_from = since if len(ended) < MAX_ENDS else ended[-1][1] + 1
    results = await query(statements.results, since * 1000, MAX_RESULTS)
    return Overview(
        active=max(active, len(jobs)),
        read=len(jobs),
        models=loads(jobs),
        hours=hours_of_ends(since, _ends(ended), known_from),
        stalled=tuple((job.account, job.id) for job in jobs if job.stalled),
        near_deadline=tuple((job.account, job.id) for job in jobs if job.near_deadline),
        failing=failing_jobs(jobs),
        missing_results=sum(state in _MISSING for (state,) in results),
    )


def _count_active(rows: Iterable[Sequence[Any]]) -> int:
    return sum(jobs for _, status, deleted, jobs in rows if not deleted and not is_terminal(status))


async def _read_active(query: Query, statements: OverviewStatements, active: int) -> list[Any]:
    if active <= MAX_ACTIVE:
        return await query(statements.newest, MAX_ACTIVE)
    newest = await query(statements.newest, MAX_ACTIVE // 2)
    return [*newest, *await query(statements.oldest, MAX_ACTIVE // 2)]


def _ends(rows: Iterable[tuple[str, int, str]]) -> Iterator[tuple[int, End]]:
    """When and how jobs ended; one that was deleted before its end is left out."""
    for status, at, data in rows:
        if status == SUCCESS:
            yield at, END_OF_OUTCOME[outcome_of_data(msgspec.structs.asdict(_decode(data)))]
        elif status in END_OF_STATUS:
            yield at, END_OF_STATUS[status]


def _active_job(account: str, id_: str, status: str, created_at: int, data: str, *rest: Any) -> ActiveJob:
    stored, (progress, stalled, near_deadline) = _decode(data), rest
    seen = newer_values(progress)
    succeeded = seen.get("succeeded_requests", stored.succeeded_requests)
    failed = seen.get("failed_requests", stored.failed_requests)
    model = stored.model if isinstance(stored.model, str) else ""
    return ActiveJob(account, id_, status, created_at, model, succeeded, failed, bool(stalled), bool(near_deadline))
