"""Owns what became of the jobs that no list showed: windows of creation times while one explains several, gets for the rest.

A get that fails for one job costs that job alone: the others are asked for, and it is asked for ever more rarely. Gets are few
in each sweep, those that were asked for least recently first. A job that the API no longer has is looked for during a day.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.job_diff import Known
from tracker.core.jobs.job import Job, MalformedJob, Page
from tracker.core.jobs.status import TERMINAL, is_recognized
from tracker.core.ports.provider import ListQuery, Provider
from tracker.core.reconciliation.recheck_schedule import DAY, HOUR, MINUTE, Recheck
from tracker.core.reconciliation.sweep_plan import PAGE_SIZE

MOST_GETS: Final = 30
"""Gets of one sweep: where lists fail, so many jobs are followed; more would hold up what the lists still show."""

MOST_FAILURES: Final = 5
"""Gets that may fail in one sweep; the other jobs have their turn in the next."""

FAILURES_OF_AN_OUTAGE: Final = 2
"""Gets that fail while no list can be read either: then it is the API that fails, and not the jobs."""

MOST_LOOKUPS: Final = 5
"""Deleted jobs that are looked for in one sweep."""


class Unresolved:
    """What is remembered from sweep to sweep of the jobs of one account that are asked for by id."""

    def __init__(self, deleted: dict[str, Recheck] | None = None) -> None:
        """`deleted` are the jobs that were deleted not long ago, by id."""
        self.unreadable: dict[str, tuple[Recheck, Failure]] = {}  # the jobs whose gets fail
        self.deleted = deleted or {}
        self.asked: dict[str, int] = {}  # Unix milliseconds

    def forget_others(self, active: Mapping[str, object]) -> None:
        """Keep what concerns these jobs."""
        self.unreadable = {id_: each for id_, each in self.unreadable.items() if id_ in active}
        self.asked = {id_: at for id_, at in self.asked.items() if id_ in active}

    def is_waited_for(self, job_id: str, now: int) -> bool:
        """Whether its get has failed, and is not due again."""
        return job_id in self.unreadable and not self.unreadable[job_id][0].is_due(now, 0, HOUR)

    def lookups(self, now: int) -> list[str]:
        """The deleted jobs that are due to be looked for; those deleted a day ago are forgotten."""
        self.deleted = {id_: each for id_, each in self.deleted.items() if each.age(now) < DAY}
        due = [id_ for id_, each in self.deleted.items() if each.is_due(now, MINUTE)]
        return sorted(due, key=lambda id_: self.deleted[id_].asked)[:MOST_LOOKUPS]

    def was_recorded(self, known: Known, now: int) -> None:
        """The job is known as this from now on."""
        self.deleted.pop(known.job.id, None)
        if known.deleted:
            self.deleted[known.job.id] = Recheck.first(now)

    def were_shown(self, ids: AbstractSet[str]) -> None:
        """An answer has shown these jobs: they can be read."""
        for id_ in self.unreadable.keys() & ids:
            del self.unreadable[id_]

    def has_failed(self, job_id: str, failure: Failure, now: int) -> None:
        before = self.unreadable.get(job_id)
        self.unreadable[job_id] = (before[0].again(now) if before else Recheck.first(now), failure)


class Sweeping(Protocol):
    """The sweep on whose behalf jobs are resolved; `failure` ends it, `lists_work` says whether any list could be read.

    `network_works` says whether each list was answered, be it with an error.
    """

    failure: Failure | None
    lists_work: bool
    network_works: bool

    @property
    def shown(self) -> set[str]:
        """The ids of the jobs that any answer has shown."""

    async def take(self, page: Page) -> None:
        """Have recorded what the page shows."""

    def take_malformed(self, job: MalformedJob) -> None:
        """The answer about a job could not be read."""

    def missing(self, job_id: str) -> None:
        """The API said that it has no such job."""


class Resolver:
    """Resolves jobs within one sweep."""

    def __init__(self, provider: Provider, sweeping: Sweeping, unresolved: Unresolved, now: Callable[[], int]) -> None:
        """`now` gives Unix milliseconds."""
        self._provider = provider
        self._sweeping = sweeping
        self._unresolved = unresolved
        self._now = now
        self._windows_fail = False

    async def resolve(self, left: list[Job], malformed: list[Job], *, lists_are_good: bool) -> None:
        """Ask what became of these active jobs, and of those that were deleted not long ago.

        Windows are read only where the lists of the sweep were good: else most of `left` has not left at all. What is
        `malformed` in a list may be well in the answer to a get.
        """
        due = self._due(left)
        if lists_are_good:
            due = await self._explain_all(due)
        due += self._due(malformed)
        await self.get([job.id for job in sorted(due, key=self._asked_at)][:MOST_GETS])
        if self._sweeping.failure is None:
            await self._look_for_deleted()

    async def get(self, ids: list[str]) -> None:
        """Ask for these jobs in turn, until what fails is the account or, it seems, the API."""
        failures = 0
        for id_ in ids:
            answer = await self._get(id_)
            if not isinstance(answer, Failure):
                continue
            if answer.concerns_account and not self._is_one_job_s(answer):
                self._sweeping.failure = answer
                return
            failures += 1
            if not self._sweeping.lists_work and failures == FAILURES_OF_AN_OUTAGE:
                return
            if self._sweeping.lists_work:
                self._unresolved.has_failed(id_, answer, self._now())
            if failures == MOST_FAILURES or answer.concerns_account:
                return

    def _is_one_job_s(self, failure: Failure) -> bool:
        """Whether a get failed as an account does, but for the job: where the lists were answered the network is there."""
        return failure.reason is Reason.NETWORK and self._sweeping.network_works

    async def _get(self, job_id: str) -> Failure | None:
        """The failure of the get, if that is what it came to and not an answer about the job."""
        answer = await self._provider.get_job(job_id)
        self._unresolved.asked[job_id] = self._now()
        match answer:
            case Job():
                await self._sweeping.take(Page((answer,), (), 1))
            case MalformedJob():
                self._sweeping.take_malformed(answer)
                self._unresolved.has_failed(job_id, Failure(Reason.MALFORMED, answer.reason), self._now())
                return None
            case Failure(reason=Reason.NOT_FOUND):
                self._sweeping.missing(job_id)
            case Failure():
                return answer
        self._unresolved.unreadable.pop(job_id, None)
        return None

    async def _look_for_deleted(self) -> None:
        for id_ in self._unresolved.lookups(self._now()):
            answer = await self._provider.get_job(id_)
            if isinstance(answer, Failure) and answer.concerns_account:
                return
            self._unresolved.deleted[id_] = self._unresolved.deleted[id_].again(self._now())
            if isinstance(answer, Job):
                del self._unresolved.deleted[id_]
                await self._sweeping.take(Page((answer,), (), 1))

    def _due(self, jobs: list[Job]) -> list[Job]:
        now = self._now()
        return [job for job in jobs if not self._unresolved.is_waited_for(job.id, now)]

    def _asked_at(self, job: Job) -> tuple[int, int]:
        return self._unresolved.asked.get(job.id, 0), job.created_at

    async def _explain_all(self, left: list[Job]) -> list[Job]:
        """Those of `left` that no window explained."""
        unusual = [job for job in left if not is_recognized(job.status)]
        usual = await self._explain([job for job in left if is_recognized(job.status)], TERMINAL)
        return await self._explain(usual + unusual, ())

    async def _explain(self, left: list[Job], statuses: tuple[str, ...]) -> list[Job]:
        """Read windows from the oldest job in question on while each explains one at least; the rest is returned.

        A window costs one request, as a get does, and may explain a hundred jobs where a get explains one.
        """
        left = sorted(left, key=lambda job: job.created_at)
        unexplained: list[Job] = []
        while len(left) > 1 and not self._windows_fail:
            await self._read_window(left, statuses)
            still = [job for job in left if job.id not in self._sweeping.shown]
            if len(still) == len(left):
                break
            if still and still[0] is left[0]:
                unexplained.append(still.pop(0))
            left = still
        return unexplained + left

    async def _read_window(self, left: list[Job], statuses: tuple[str, ...]) -> None:
        """Read a page of jobs from the creation of the first of `left` on, and more while all on it are of that second."""
        query = ListQuery(statuses=statuses, created_after=left[0].created_at - 1)
        size, before = PAGE_SIZE, None
        for number in range(sum(job.created_at == left[0].created_at for job in left)):
            page = await self._provider.list_jobs(query, number, size)
            if isinstance(page, Failure):
                self._fail(page)
                return
            if page.jobs == before:
                return
            before = page.jobs
            await self._sweeping.take(page)
            size = size if number else min(PAGE_SIZE, len(page) or PAGE_SIZE)  # what the server gives at most
            if not _goes_on(page, number, size) or page.jobs[-1].created_at > left[0].created_at:
                return

    def _fail(self, failure: Failure) -> None:
        self._windows_fail = True
        if failure.concerns_account:
            self._sweeping.failure = failure


def _goes_on(page: Page, number: int, size: int) -> bool:
    """Whether there is more behind this page, as far as it tells."""
    if not page.jobs or len(page) < size:
        return False
    return size == PAGE_SIZE if page.total is None else page.total > number * size + len(page)
