"""Owns the left half of the flow: one sweep over an account, from the API's pages to the log.

A sweep reads the lists that the plan chose, records each page as it comes, and then asks what became of the active jobs that
no list showed: by windows of creation times while one request explains several of them, by id where it does not.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import anyio

from tracker.core.diff import Change, Known
from tracker.core.eta import Histories, with_etas
from tracker.core.event import Event
from tracker.core.failure import Failure, Reason
from tracker.core.job import Job, MalformedJob, Page
from tracker.core.plan import FREE_OVERLAP, PAGE_SIZE, Census, Plan, advanced_watermark, plan, window_start
from tracker.core.ports import Contact, ListQuery, Provider, Store
from tracker.core.status import TERMINAL, is_recognized
from tracker.core.sweep import NOTHING, Memory, Report, Sweep
from tracker.listing import Reading
from tracker.tasks import task_group

SWEEPS_UNTIL_APART: Final = 20
"""So often the active jobs are listed by status even where the window shows them, in case one was missed."""

WATERMARK_STEP: Final = 60
"""Seconds the watermark moves before it is worth a write of its own."""


class Poller:
    """The sweeps of one account."""

    def __init__(
        self,
        account: str,
        provider: Provider,
        store: Store,
        *,
        backfill: float,
        now: Callable[[], int],
        active: Callable[[Mapping[str, Job]], None] = lambda _jobs: None,
    ) -> None:
        """`backfill` is in seconds; `now` gives Unix milliseconds; `active` is told which jobs are, whenever that changed."""
        self.account = account
        self.provider = provider
        self.store = store
        self.now = now
        self._backfill = backfill
        self._told_active = active
        self._active: Mapping[str, Job] = {}
        self.histories: Histories = {}
        self._memory: Memory = NOTHING
        self._watermark: tuple[float, float] | None = None  # the latest, and the loop's time when its reading began
        self._sweeps = 0

    async def poll_once(self) -> Report:
        """Sweep once. Raises `StorageError`; whatever the API does is in the report."""
        began = anyio.current_time()
        contact = await self._contact()
        active = dict(await self.store.active(self.account))
        self._are_active({id_: known.job for id_, known in active.items()})
        latest = contact.watermark if self._watermark is None else int(self._watermark[0])
        nth_newest = await self.store.created_of_newest(self.account, FREE_OVERLAP)
        window = window_start(contact, latest, nth_newest)
        run = _Run(self, Sweep(self.account, contact, window, self._memory), active)

        new = await run.read(await self._plan(window, contact, active))
        if run.failure is None:
            await run.chase()
        watermark = self._moved_watermark(new, run.sweep, contact, began)
        self._memory = await run.conclude(watermark)
        self._sweeps += run.failure is None
        return run.report()

    def changed(self, changes: Sequence[Change]) -> None:
        """These changes were recorded just now."""
        active = dict(self._active)  # another one: whoever was told of the last may still be reading it
        for known in (change.known for change in changes):
            active.pop(known.job.id, None)
            if known.active:
                active[known.job.id] = known.job
        self._are_active(active)

    def _are_active(self, jobs: Mapping[str, Job]) -> None:
        self._active = jobs
        self._told_active(jobs)

    async def _contact(self) -> Contact:
        now = self.now()
        return await self.store.contact(self.account, Contact(since=now, horizon=now // 1000 - int(self._backfill)))

    async def _plan(self, window: int, contact: Contact, active: Mapping[str, Known]) -> Plan:
        oldest = min((known.job.created_at for known in active.values()), default=None)
        census = Census(
            active=len(active),
            oldest_active=oldest,
            created_in_window=await self.store.count_created(self.account, window),
            created_since_oldest_active=0 if oldest is None else await self.store.count_created(self.account, oldest - 1),
        )
        beyond_history = oldest is not None and oldest < contact.horizon  # what was created then the log does not know
        return plan(window, census, apart=beyond_history or self._sweeps % SWEEPS_UNTIL_APART == 0)

    def _moved_watermark(self, new: Reading, sweep: Sweep, contact: Contact, began: float) -> int | None:
        """Where the watermark stands now if that is worth recording; it moves only after a whole reading."""
        if not new.whole:
            return None
        advanced = None if self._watermark is None else self._watermark[0] + began - self._watermark[1]
        before = contact.horizon if contact.watermark is None else contact.watermark
        watermark = advanced_watermark(sweep.newest, advanced, before, self.now())
        self._watermark = (max(watermark, advanced or watermark), began)
        worth_it = contact.watermark is None or abs(watermark - contact.watermark) >= WATERMARK_STEP
        return watermark if worth_it else None


class _Run:
    """One sweep under way."""

    def __init__(self, poller: Poller, sweep: Sweep, known: dict[str, Known]) -> None:
        self.sweep = sweep
        self.failure: Failure | None = None
        self._poller = poller
        self._active = dict(known)
        self._known = known
        self._events: list[Event] = []
        self._backfilled: set[str] = set()
        self._malformed: list[MalformedJob] = []
        self._taken: list[Page] = []  # not recorded yet
        self._recording = anyio.Lock()

    async def read(self, chosen: Plan) -> Reading:
        """Read the lists of the plan side by side; the reading of the new jobs is returned."""
        new, active = self._reading(chosen.new), self._reading(chosen.active) if chosen.active else None
        async with task_group() as group:
            group.start_soon(new.read)
            if active:
                group.start_soon(active.read)
        self.failure = new.failure or (active.failure if active else None)
        if self.failure is None and not new.whole:
            self.failure = Failure(Reason.MALFORMED, "the list kept changing while it was read, or its total is wrong")
        return new

    async def chase(self) -> None:
        """Ask what became of the active jobs that no list showed."""
        left = sorted(self._left(), key=lambda job: job.created_at)
        unusual = [job for job in left if not is_recognized(job.status)]
        left = await self._explain([job for job in left if is_recognized(job.status)], TERMINAL)
        left = await self._explain(sorted(left + unusual, key=lambda job: job.created_at), ())
        for job in left:
            if self.failure is None:
                await self._ask(job.id)

    async def conclude(self, watermark: int | None) -> Memory:
        """Record what only now is believed, and the watermark."""
        changes, memory = self.sweep.conclude(self._known, self._poller.now())
        if changes or watermark is not None:
            await self._record(changes, watermark)
        return memory

    def report(self) -> Report:
        return Report(
            events=tuple(self._events),
            shown=len(self.sweep.shown),
            stale=self.sweep.stale,
            malformed=tuple(self._malformed),
            failure=self.failure,
            backfilled=frozenset(self._backfilled),
        )

    def _reading(self, query: ListQuery) -> Reading:
        provider = self._poller.provider
        return Reading(lambda page, size: provider.list_jobs(query, page, size), self._take)

    def _left(self) -> Iterable[Job]:
        unreadable = {job.id for job in self._malformed}
        return (known.job for id_, known in self._active.items() if id_ not in self.sweep.shown and id_ not in unreadable)

    async def _explain(self, left: list[Job], statuses: tuple[str, ...]) -> list[Job]:
        """Read windows from the oldest job in question on while each explains one at least; the rest is returned.

        A window costs one request, as a get does, and may explain a hundred jobs where a get explains one.
        """
        unexplained: list[Job] = []
        while len(left) > 1 and self.failure is None:
            query = ListQuery(statuses=statuses, created_after=left[0].created_at - 1)
            page = await self._poller.provider.list_jobs(query, 0, PAGE_SIZE)
            if isinstance(page, Failure):
                self.failure = page
                break
            await self._take(page)
            still = [job for job in left if job.id not in self.sweep.shown]
            if len(still) == len(left):
                break
            if still and still[0] is left[0]:
                unexplained.append(still.pop(0))
            left = still
        return unexplained + left

    async def _ask(self, job_id: str) -> None:
        answer = await self._poller.provider.get_job(job_id)
        match answer:
            case Job():
                await self._take(Page((answer,), (), 1))
            case MalformedJob():
                self._malformed.append(answer)
            case Failure(reason=Reason.NOT_FOUND):
                self.sweep.missing(job_id)
            case Failure():
                self.failure = answer

    async def _take(self, page: Page) -> None:
        """Record what a page shows, and with it the pages that came while others were recorded: one commit for all."""
        self._taken.append(page)
        async with self._recording:
            pages, self._taken = self._taken, []
            self._malformed.extend(job for page in pages for job in page.malformed)
            jobs = [job for page in pages for job in page.jobs]
            unknown = {job.id for job in jobs if job.id not in self._known}
            if unknown:
                self._known.update(await self._poller.store.known(self._poller.account, unknown))
            changes = self.sweep.observe(jobs, self._known, self._poller.now())
            if changes:
                await self._record(changes, None)

    async def _record(self, changes: Sequence[Change], watermark: int | None) -> None:
        changes, histories = with_etas(changes, self._poller.histories, self._poller.now())
        await self._poller.store.record(self._poller.account, changes, watermark)
        self._poller.histories = histories
        self._poller.changed(changes)
        self._known.update({change.known.job.id: change.known for change in changes})
        self._events.extend(event for change in changes for event in change.events)
        self._backfilled.update(change.known.job.id for change in changes if change.backfilled)
