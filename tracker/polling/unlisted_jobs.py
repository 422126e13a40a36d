"""Owns finding out what became of the jobs that no list showed: by windows of creation times, and by ID.

A window is a page of jobs from a creation time on. It is read where it may show several of the jobs at once; the others are
requested one by one, a few in each sweep, the least recently requested first. A get that fails affects that job alone: it is
repeated less and less often. A job that the API no longer has is looked up for a day.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from typing import Final, Protocol

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.job_diff import Known
from tracker.core.jobs.job import Job, MalformedJob, Page
from tracker.core.jobs.status import TERMINAL, is_recognized
from tracker.core.ports.provider import ListQuery, Provider
from tracker.core.reconciliation.recheck_backoff import DAY, HOUR, MINUTE, Recheck
from tracker.core.reconciliation.sweep_plan import MAX_GETS

MAX_FAILED_GETS: Final = 5
"""The number of gets that may fail in one sweep; the other jobs follow in the next one."""

FAILURES_OF_AN_OUTAGE: Final = 2
"""The number of failed gets after which, if no list can be read either, the API is down and not the jobs."""

MAX_LOOKUPS: Final = 5
"""The number of deleted jobs that are looked up in one sweep."""


class UnresolvedJobs:
    """The jobs of one account that are requested by ID, remembered from sweep to sweep."""

    def __init__(self, deleted: dict[str, Recheck] | None = None) -> None:
        """`deleted` are the recently deleted jobs, by ID."""
        self.unreadable: dict[str, tuple[Recheck, Failure]] = {}  # the jobs whose gets fail
        self.deleted = deleted or {}
        self.asked: dict[str, int] = {}  # Unix milliseconds

    def forget_others(self, active: Mapping[str, object]) -> None:
        """Keep only what concerns these jobs."""
        self.unreadable = {id_: each for id_, each in self.unreadable.items() if id_ in active}
        self.asked = {id_: at for id_, at in self.asked.items() if id_ in active}

    def is_backing_off(self, job_id: str, now: int) -> bool:
        """Whether its get has failed and is not due again yet."""
        return job_id in self.unreadable and not self.unreadable[job_id][0].is_due(now, 0, HOUR)

    def lookups(self, now: int) -> list[str]:
        """The deleted jobs whose lookup is due; those deleted a day ago are forgotten."""
        self.deleted = {id_: each for id_, each in self.deleted.items() if each.age(now) < DAY}
        due = [id_ for id_, each in self.deleted.items() if each.is_due(now, MINUTE)]
        return sorted(due, key=lambda id_: self.deleted[id_].asked)[:MAX_LOOKUPS]

    def record_known(self, known: Known, now: int) -> None:
        """The job is now known in this state."""
        self.deleted.pop(known.job.id, None)
        if known.deleted:
            self.deleted[known.job.id] = Recheck.first(now)

    def forget_shown(self, ids: AbstractSet[str]) -> None:
        """Forget the failures of these jobs: an answer has shown them."""
        for id_ in self.unreadable.keys() & ids:
            del self.unreadable[id_]

    def record_failure(self, job_id: str, failure: Failure, now: int) -> None:
        before = self.unreadable.get(job_id)
        self.unreadable[job_id] = (before[0].again(now) if before else Recheck.first(now), failure)


class SweepState(Protocol):
    """The sweep for which jobs are resolved. `failure` ends it; `network_works` says whether every list got some answer."""

    failure: Failure | None
    network_works: bool

    @property
    def lists_work(self) -> bool:
        """Whether any list has answered."""

    @property
    def shown(self) -> set[str]:
        """The ids of the jobs that any answer has shown."""

    async def process_page(self, page: Page) -> None:
        """Record what the page shows."""

    def record_malformed(self, job: MalformedJob) -> None:
        """Record that the answer about a job could not be read."""

    def record_missing(self, job_id: str) -> None:
        """Record that the API has no such job."""


class UnlistedJobResolver:
    """Finds out, within one sweep, what became of jobs."""

    def __init__(self, provider: Provider, sweep: SweepState, unresolved: UnresolvedJobs, now: Callable[[], int]) -> None:
        """`now` gives Unix milliseconds."""
        self._provider = provider
        self._sweep = sweep
        self._unresolved = unresolved
        self._now = now
        capabilities = provider.capabilities
        self._skips_windows = not capabilities.reads_windows
        self._terminal = TERMINAL if capabilities.filters_statuses else ()
        self._page_size = capabilities.page_size

    async def resolve(self, unshown: list[Job], malformed: list[Job], *, lists_are_good: bool) -> None:
        """Find out what became of the active jobs that the lists did not show, or as `malformed`, and of recently deleted ones.

        Windows are read only where the lists of the sweep were good: otherwise most of `unshown` has not left the lists. A job
        that is `malformed` in a list may be readable in the answer to a get.
        """
        due = self._due(unshown)
        if lists_are_good:
            due = await self._resolve_by_windows(due)
        due += self._due(malformed)
        await self.get([job.id for job in sorted(due, key=self._last_asked)][:MAX_GETS])
        if self._sweep.failure is None:
            await self._look_up_deleted()

    async def get(self, ids: list[str]) -> None:
        """Request these jobs one by one, until a failure shows that the account is refused or the API is down."""
        failures = 0
        for id_ in ids:
            answer = await self._get(id_)
            if not isinstance(answer, Failure):
                continue
            if answer.concerns_account and not self._concerns_one_job(answer):
                self._sweep.failure = answer
                return
            failures += 1
            if not self._sweep.lists_work and failures == FAILURES_OF_AN_OUTAGE:
                return
            if self._sweep.lists_work:
                self._unresolved.record_failure(id_, answer, self._now())
            if failures == MAX_FAILED_GETS or answer.concerns_account:
                return

    def _concerns_one_job(self, failure: Failure) -> bool:
        """Whether a network failure concerns the job alone: the network works if the lists were answered."""
        return failure.reason is Reason.NETWORK and self._sweep.network_works

    async def _get(self, job_id: str) -> Failure | None:
        """The failure of the get; None if there was an answer about the job."""
        answer = await self._provider.get_job(job_id)
        self._unresolved.asked[job_id] = self._now()
        match answer:
            case Job():
                await self._sweep.process_page(Page((answer,), (), 1))
            case MalformedJob():
                self._sweep.record_malformed(answer)
                self._unresolved.record_failure(job_id, Failure(Reason.MALFORMED, answer.reason), self._now())
                return None
            case Failure(reason=Reason.NOT_FOUND):
                self._sweep.record_missing(job_id)
            case Failure():
                return answer
        self._unresolved.unreadable.pop(job_id, None)
        return None

    async def _look_up_deleted(self) -> None:
        for id_ in self._unresolved.lookups(self._now()):
            answer = await self._provider.get_job(id_)
            if isinstance(answer, Failure) and answer.concerns_account:
                return
            self._unresolved.deleted[id_] = self._unresolved.deleted[id_].again(self._now())
            if isinstance(answer, Job):
                del self._unresolved.deleted[id_]
                await self._sweep.process_page(Page((answer,), (), 1))

    def _due(self, jobs: list[Job]) -> list[Job]:
        now = self._now()
        return [job for job in jobs if not self._unresolved.is_backing_off(job.id, now)]

    def _last_asked(self, job: Job) -> tuple[int, int]:
        return self._unresolved.asked.get(job.id, 0), job.created_at

    async def _resolve_by_windows(self, left: list[Job]) -> list[Job]:
        """Read windows, and return those of `left` that none showed."""
        unusual = [job for job in left if not is_recognized(job.status)]
        usual = await self._read_windows([job for job in left if is_recognized(job.status)], self._terminal)
        return await self._read_windows(usual + unusual, ())

    async def _read_windows(self, left: list[Job], statuses: tuple[str, ...]) -> list[Job]:
        """Read windows from the oldest job in question on while each explains one at least; the rest is returned.

        A window costs one request, as a get does, and may explain a hundred jobs where a get explains one.
        """
        left = sorted(left, key=lambda job: job.created_at)
        unexplained: list[Job] = []
        while len(left) > 1 and not self._skips_windows:
            await self._read_window(left, statuses)
            still = [job for job in left if job.id not in self._sweep.shown]
            if len(still) == len(left):
                break
            if still and still[0] is left[0]:
                unexplained.append(still.pop(0))
            left = still
        return unexplained + left

    async def _read_window(self, left: list[Job], statuses: tuple[str, ...]) -> None:
        """Read a page of jobs from the creation of the first of `left` on, and more while all on it are of that second."""
        query = ListQuery(statuses=statuses, created_after=left[0].created_at - 1)
        token, size, before = None, self._page_size, None
        for _ in range(sum(job.created_at == left[0].created_at for job in left)):
            page = await self._provider.list_jobs(query, token, size)
            if isinstance(page, Failure):
                self._record_window_failure(page)
                return
            if page.jobs == before:
                return
            await self._sweep.process_page(page)
            size = size if token else min(size, len(page) or size)  # what the server gives at most
            if not page.jobs or len(page) < size or page.jobs[-1].created_at > left[0].created_at or not page.next_token:
                return
            token, before = page.next_token, page.jobs

    def _record_window_failure(self, failure: Failure) -> None:
        self._skips_windows = True
        if failure.concerns_account:
            self._sweep.failure = failure
