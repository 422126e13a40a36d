"""A provider that moves while it is read, and lies to order: what the property tests sweep over."""

from collections.abc import Callable, Iterator

import msgspec

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Job, MalformedJob, Page
from tracker.core.jobs.job_reading import read_job
from tracker.core.jobs.status import FAILED, is_terminal
from tracker.core.ports.provider import Capabilities, ListQuery, Order
from tracker.providers.mistral.jobs_api import CAPABILITIES

LIES = 12
STALE = 3

ERRORS = [{"message": f"row {number} is wrong", "count": number % 3} for number in range(30)]
"""More than are kept of a job."""

Snapshot = dict[str, Job]


class MovingApi:
    """Jobs, all that they have ever been, and requests that may each be spoilt.

    `spoil` gives for each request a number: 0 is an honest answer, others are the methods of `LIES` in turn.
    """

    capabilities = CAPABILITIES
    page_limit = 3  # small, so that few jobs make many pages

    def __init__(self, clock: int) -> None:
        self.clock = clock  # Unix seconds, of the provider and of the tracker
        self.jobs: Snapshot = {}
        self.history: dict[str, list[Job]] = {}
        self.deleted: set[str] = set()
        self.requests = 0
        self.spoil: Iterator[int] = iter(())
        self.between: Callable[[], None] = lambda: None  # what happens before each answer
        self.unlisted: set[str] = set()  # a page of a list that has one of these answers 500
        self.refused: dict[str, Failure] = {}  # what a get of these comes to
        self.broken: Failure | None = None  # what every list comes to
        self.elsewhere = False  # it answers as another workspace, which has no job
        self.asked: list[str] = []  # the ids that were asked for
        self._before: list[Snapshot] = []

    # The world

    def put(self, job: Job) -> None:
        self.jobs[job.id] = job
        self.history.setdefault(job.id, []).append(job)

    def delete(self, job_id: str) -> None:
        del self.jobs[job_id]
        self.deleted.add(job_id)

    # The Provider

    async def list_jobs(self, query: ListQuery, token: str | None, page_size: int) -> Page | Failure:
        page = int(token or 0)
        lie, jobs = self._begin()
        if isinstance(lie, Failure):
            return lie
        size = min(page_size, self.page_limit)
        matching = sorted(filter(lambda job: _matches(job, query), jobs.values()), key=lambda job: (job.created_at, job.id))
        shown = matching[page * size : (page + 1) * size]
        if self.broken or any(job.id in self.unlisted for job in shown):
            return self.broken or Failure(Reason.SERVER, "HTTP 500", status=500)
        more = str(page + 1) if len(matching) > (page + 1) * size else None
        return msgspec.structs.replace(self._bend(lie, Page(tuple(shown), (), len(matching))), next_token=more)

    async def get_job(self, job_id: str) -> Job | MalformedJob | Failure:
        lie, jobs = self._begin()
        self.asked.append(job_id)
        if isinstance(lie, Failure) or job_id in self.refused:
            return self.refused.get(job_id) or lie
        if job_id not in jobs:
            return Failure(Reason.NOT_FOUND, "no such job")
        bent = self._bend(lie, Page((jobs[job_id],), (), 1))
        return bent.jobs[0] if bent.jobs else MalformedJob(job_id, "bent")

    def _begin(self) -> tuple[int | Failure, Snapshot]:
        self.requests += 1
        self.between()
        lie = next(self.spoil, 0)
        self._before = [*self._before[-3:], dict(self.jobs)]
        if lie == 1:
            return Failure(Reason.SERVER, "HTTP 503"), {}
        if lie == 2:
            return Failure(Reason.NETWORK, "reset"), {}
        if self.elsewhere:
            return 0, {}
        if lie == STALE:
            return 0, self._before[0]
        return lie, self.jobs

    def _bend(self, lie: int, page: Page) -> Page:
        if not page.jobs:
            return page
        first, *rest = page.jobs
        match lie:
            case 4:
                bent = [*rest, first, first]  # twice, and out of order
            case 5:
                return Page(tuple(rest), (MalformedJob(first.id, "bent"),), page.total)
            case 6:
                return Page(page.jobs, (), (page.total or 0) + 1)
            case 7:
                return Page(page.jobs, (), None)
            case 8:
                bent = [msgspec.structs.replace(first, metadata=None, model=None), *rest]
            case 9:
                return Page(tuple(rest), (), page.total) if rest else page
            case 10:
                bent = [lacking(first, "failed_requests", "created_at"), *rest]
            case 11:
                bent = [
                    msgspec.structs.replace(job, errors=job.errors[::-1] if job.errors else job.errors) for job in page.jobs
                ]
            case _:
                bent = list(page.jobs)
        return Page(tuple(bent), (), page.total)


class FullPagesApi(MovingApi):
    """A moving API whose pages are as large as it is asked for, so that as many of them are expected of it the next time."""

    capabilities = msgspec.structs.replace(CAPABILITIES, page_size=MovingApi.page_limit)


class CursorApi(MovingApi):
    """A moving API as most vendors have it: the newest job first, the token is the id that the page before ended with.

    It has no filters and no total. A token is refused once its job is gone.
    """

    capabilities = Capabilities(order=Order.NEWEST_FIRST)

    async def list_jobs(self, _query: ListQuery, token: str | None, page_size: int) -> Page | Failure:
        lie, jobs = self._begin()
        if isinstance(lie, Failure):
            return lie
        listed = self._in_order(jobs)
        start = self._start(token, listed)
        if isinstance(start, Failure):
            return start
        size = min(page_size, self.page_limit)
        shown = listed[start : start + size]
        if self.broken or any(job.id in self.unlisted for job in shown):
            return self.broken or Failure(Reason.SERVER, "HTTP 500", status=500)
        more = shown[-1].id if len(listed) > start + size else None
        return msgspec.structs.replace(self._bend(lie, Page(tuple(shown), (), None)), total=None, next_token=more)

    def _start(self, token: str | None, listed: list[Job]) -> int | Failure:
        """The place of the first entry of the page behind the token."""
        ids = [job.id for job in listed]
        if token is not None and token not in ids:
            return Failure(Reason.NOT_FOUND, f"no such batch: {token}", status=404)
        return 0 if token is None else 1 + ids.index(token)

    def _in_order(self, jobs: Snapshot) -> list[Job]:
        return sorted(jobs.values(), key=lambda job: (job.created_at, job.id), reverse=True)


class ManagedApi(CursorApi):
    """As LiteLLM lists what it manages: any token leads to the newest of the same half, and a full page claims more."""

    async def list_jobs(self, _query: ListQuery, token: str | None, page_size: int) -> Page | Failure:
        lie, jobs = self._begin()
        if isinstance(lie, Failure):
            return lie
        listed = self._in_order(jobs) if token is None else self._in_order(jobs)[::2]
        shown = listed[: min(page_size, self.page_limit)]
        more = shown[-1].id if len(shown) == page_size else None
        return msgspec.structs.replace(self._bend(lie, Page(tuple(shown), (), None)), total=None, next_token=more)


class UnorderedApi(CursorApi):
    """The same in an order that says nothing of when jobs were created."""

    capabilities = Capabilities(order=Order.UNKNOWN)

    def _in_order(self, jobs: Snapshot) -> list[Job]:
        return sorted(jobs.values(), key=lambda job: job.id[::-1])


class PlacesApi(UnorderedApi):
    """The same with a number of entries as token: it says so of any other."""

    def _start(self, token: str | None, listed: list[Job]) -> int | Failure:  # noqa: ARG002 - it is overridden
        if (token or "0").isdecimal():
            return int(token or 0)
        return Failure(Reason.REJECTED, "HTTP 400: invalid after parameter: must be an integer", status=400)


class SinglePageApi(UnorderedApi):
    """The whole list in one answer."""

    page_limit = 10_000


def lacking(job: Job, *names: str) -> Job | MalformedJob:
    """The job as it is read from an answer that lacks these properties."""
    return read_job({name: value for name, value in job.to_data().items() if name not in names})


def in_another_order(job: Job) -> Job:
    return msgspec.structs.replace(job, errors=job.errors[::-1]) if isinstance(job.errors, list) else job


def new_job(job_id: str, created_at: int) -> Job:
    return Job(
        id=job_id,
        status="QUEUED",
        model="mistral-small-latest",
        endpoint="/v1/chat/completions",
        metadata={"team": "research"},
        created_at=created_at,
        total_requests=0,
        completed_requests=0,
        succeeded_requests=0,
        failed_requests=0,
    )


def stepped(job: Job, status: str, at: int) -> Job:
    """The job one step on: in `status`, its counters and moments as they would be."""
    if is_terminal(status):
        errors = (
            [{"message": f"row {number} is wrong", "count": number % 3} for number in range(30)] if status == FAILED else []
        )
        return msgspec.structs.replace(job, status=status, completed_at=at, errors=errors)
    if status == "RUNNING":
        total = job.total_requests or 100
        done = min(job.completed_requests + 7, total)
        return msgspec.structs.replace(
            job,
            status=status,
            started_at=job.started_at or at,
            total_requests=total,
            completed_requests=done,
            succeeded_requests=done,
        )
    return msgspec.structs.replace(job, status=status)


def fallen(job: Job) -> Job:
    """The job with one request fewer in all, and without its model."""
    total = max(0, job.total_requests - 1)
    done = min(job.completed_requests, total)
    return msgspec.structs.replace(job, model=None, total_requests=total, completed_requests=done, succeeded_requests=done)


def _matches(job: Job, query: ListQuery) -> bool:
    return (not query.statuses or job.status in query.statuses) and (
        query.created_after is None or job.created_at > query.created_after
    )
