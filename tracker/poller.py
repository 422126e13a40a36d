"""Owns the left half of the flow: one sweep over an account, from the API's pages to the log.

A sweep reads the lists that the plan chose, records what they show while it goes on, and then asks what became of the active
jobs that no list showed: by windows of creation times while one request explains several of them, by id where it does not.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import anyio
import msgspec

from tracker.core.diff import Change, Known
from tracker.core.eta import History, with_etas
from tracker.core.failure import Failure, Reason
from tracker.core.interning import Interning
from tracker.core.job import Job, MalformedJob, Page
from tracker.core.plan import FREE_OVERLAP, PAGE_SIZE, Census, Plan, advanced_watermark, plan, window_start
from tracker.core.ports import Contact, ListQuery, Provider, Store
from tracker.core.status import TERMINAL, is_recognized
from tracker.core.sweep import NOTHING, Memory, Report, Sweep
from tracker.gathering import Gathering, gathering
from tracker.listing import SIDE_BY_SIDE, Reading
from tracker.tasks import task_group

SWEEPS_UNTIL_APART: Final = 20
"""So often the active jobs are listed by status even where the window shows them, in case one was missed."""

WATERMARK_STEP: Final = 60
"""Seconds the watermark moves before it is worth a write of its own."""

T = TypeVar("T")


class Audience(NamedTuple):
    """Whom a poller tells of what it does.

    `active` is given the active jobs at the start of each sweep, in a dict that goes on changing with them; `recorded` is given
    what was recorded, at once; `gets_on` is called whenever the store has answered.
    """

    active: Callable[[dict[str, Job]], None] = lambda _jobs: None
    recorded: Callable[[Sequence[Change]], None] = lambda _changes: None
    gets_on: Callable[[], None] = lambda: None


NOBODY: Final = Audience()


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
        audience: Audience = NOBODY,
    ) -> None:
        """`backfill` is in seconds; `now` gives Unix milliseconds."""
        self.account = account
        self.provider = provider
        self.store = store
        self.now = now
        self._backfill = backfill
        self._audience = audience
        self._active: dict[str, Job] = {}
        self.histories: dict[str, History] = {}
        self.interning = Interning()
        self._memory: Memory = NOTHING
        self._watermark: tuple[float, float] | None = None  # the latest, and the loop's time when its reading began
        self._sweeps = 0

    async def poll_once(self) -> Report:
        """Sweep once. Raises `StorageError`; whatever the API does is in the report."""
        began = anyio.current_time()
        contact = await self._contact()
        known = dict(await self.answered(self.store.active(self.account)))
        self._active = {id_: each.job for id_, each in known.items()}
        self._audience.active(self._active)
        latest = contact.watermark if self._watermark is None else int(self._watermark[0])
        nth_newest = await self.answered(self.store.created_of_newest(self.account, FREE_OVERLAP))
        window = window_start(contact, latest, nth_newest)
        chosen = await self._plan(window, contact, known)

        async with gathering(self.record) as found:
            run = _Run(self, Sweep(self.account, contact, window, self._memory), known, found)
            new = await run.read(chosen)
            if run.failure is None:
                await run.chase()
        self._memory = await run.conclude(self._moved_watermark(new, run.sweep, contact, began))
        self._sweeps += run.failure is None
        return run.report()

    async def record(self, changes: Sequence[Change], watermark: int | None = None) -> None:
        """Record these changes and tell of them. Raises `StorageError`."""
        await self.answered(self.store.record(self.account, changes, watermark))
        for known in (change.known for change in changes):
            self._active.pop(known.job.id, None)
            if known.active:
                self._active[known.job.id] = known.job
        self._audience.recorded(changes)

    async def answered(self, answer: Awaitable[T]) -> T:
        """The store's answer, for which a hundred accounts may queue longer than a loop may be silent: who has it gets on."""
        found = await answer
        self._audience.gets_on()
        return found

    async def _contact(self) -> Contact:
        now = self.now()
        first = Contact(since=now, horizon=now // 1000 - int(self._backfill))
        return await self.answered(self.store.contact(self.account, first))

    async def _plan(self, window: int, contact: Contact, active: Mapping[str, Known]) -> Plan:
        oldest = min((known.job.created_at for known in active.values()), default=None)
        census = Census(
            active=len(active),
            oldest_active=oldest,
            created_in_window=await self._count_created(window),
            created_since_oldest_active=0 if oldest is None else await self._count_created(oldest - 1),
        )
        beyond_history = oldest is not None and oldest < contact.horizon  # what was created then the log does not know
        return plan(window, census, apart=beyond_history or self._sweeps % SWEEPS_UNTIL_APART == 0)

    async def _count_created(self, after: int) -> int:
        return await self.answered(self.store.count_created(self.account, after))

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

    def __init__(self, poller: Poller, sweep: Sweep, known: dict[str, Known], found: Gathering) -> None:
        """`known` are the active jobs; what is found becomes known."""
        self.sweep = sweep
        self.failure: Failure | None = None
        self._poller = poller
        self._known = known
        self._found = found
        self._events = 0
        self._backfilled = 0
        self._malformed: list[MalformedJob] = []
        self._taking = anyio.Lock(fast_acquire=True)

    async def read(self, chosen: Plan) -> Reading:
        """Read the lists of the plan side by side; the reading of the new jobs is returned."""
        side_by_side = SIDE_BY_SIDE // 2 if chosen.active else SIDE_BY_SIDE
        new = self._reading(chosen.new, side_by_side)
        active = self._reading(chosen.active, side_by_side) if chosen.active else None
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
        now = self._poller.now()
        changes, memory = self.sweep.conclude(self._known, now)
        if changes or watermark is not None:
            await self._poller.record(self._noted(changes, now), watermark)
        return memory

    def report(self) -> Report:
        return Report(
            events=self._events,
            shown=len(self.sweep.shown),
            stale=self.sweep.stale,
            malformed=tuple(self._malformed),
            failure=self.failure,
            backfilled=self._backfilled,
        )

    def _reading(self, query: ListQuery, side_by_side: int) -> Reading:
        provider = self._poller.provider
        return Reading(lambda page, size: provider.list_jobs(query, page, size), self._take, side_by_side)

    def _left(self) -> list[Job]:
        """Who was active and was not shown: whoever became known since has been."""
        unreadable = {job.id for job in self._malformed}
        return [self._known[id_].job for id_ in sorted(self._known.keys() - self.sweep.shown - unreadable)]

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
        """Have recorded what a page shows; one page at a time, for events that wait to be recorded take more than jobs do."""
        self._malformed.extend(page.malformed)
        async with self._taking:
            unknown = {job.id for job in page.jobs if job.id not in self._known}
            if unknown:
                known = self._poller.store.known(self._poller.account, unknown)
                self._known.update(await self._poller.answered(known))
            now = self._poller.now()
            changes = self._noted(self.sweep.observe(page.jobs, self._known, now), now)
            if changes:
                await self._found.add(changes)

    def _noted(self, changes: Sequence[Change], now: int) -> Sequence[Change]:
        """The changes as they are to be recorded, observed `now`; from here on they are known."""
        changes = [_lean(change, self._poller.interning) for change in changes]
        self._known |= {change.known.job.id: change.known for change in changes}
        self._events += sum(len(change.events) for change in changes)
        self._backfilled += sum(change.backfilled for change in changes)
        return with_etas(changes, self._poller.histories, now)


def _lean(change: Change, interning: Interning) -> Change:
    """The change, of a job that can be kept for long."""
    known = msgspec.structs.replace(change.known, job=interning.lean(change.known.job))
    return msgspec.structs.replace(change, known=known)
