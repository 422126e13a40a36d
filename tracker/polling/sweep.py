"""Owns one sweep under way: lists are read side by side, what they show is recorded, the jobs that they lack are resolved."""

from collections.abc import Iterator, Sequence
from typing import Final

import anyio
import msgspec

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.job_diff import Change, Known
from tracker.core.jobs.job import Hole, Job, MalformedJob, Page
from tracker.core.jobs.status import ACTIVE
from tracker.core.ports.provider import ListQuery, Provider
from tracker.core.reconciliation.recheck_schedule import DAY
from tracker.core.reconciliation.reconcile import Memory, Sweep
from tracker.core.reconciliation.sweep_plan import Plan
from tracker.core.reconciliation.sweep_report import Report, Unreadable
from tracker.core.reconciliation.unreadable_entries import Gaps
from tracker.polling.missing_jobs import Resolver, Unresolved
from tracker.polling.page_narrowing import TOO_MANY, Fetch, Narrowing, Probe, earliest
from tracker.polling.pagination import SIDE_BY_SIDE, Reading
from tracker.polling.recorder import Recorder
from tracker.polling.write_batching import Gathering
from tracker.runtime.task_groups import task_group

NO_JOBS_SINCE: Final = DAY // 1000
"""Seconds from now on: nothing was created then, so that a list from there on is empty, and fails only if the call does."""

SAME_TIME: Final = 2_000
"""Milliseconds by which two clocks may be apart before it counts: the provider tells whole seconds, and pages take time."""


class Run:
    """One sweep under way, or some gets between two sweeps."""

    def __init__(  # noqa: PLR0913 - each is used as it is
        self,
        provider: Provider,
        recorder: Recorder,
        sweep: Sweep,
        known: dict[str, Known],
        found: Gathering,
        unresolved: Unresolved,
        *,
        direct: Provider,
    ) -> None:
        """`direct` is the `provider` without retries; `known` are the active jobs, and what is found becomes known."""
        self.sweep = sweep
        self.failure: Failure | None = None
        self.lists_work = False  # whether any list has answered in this sweep
        self.network_works = False  # whether all of them have, be it with an error
        self._provider = provider
        self._direct = direct
        self._recorder = recorder
        self._known = known
        self._found = found
        self._unresolved = unresolved
        self._resolver = Resolver(provider, self, unresolved, recorder.now)
        self._events = 0
        self._backfilled = 0
        self._malformed: list[MalformedJob] = []
        self._page_lock = anyio.Lock(fast_acquire=True)
        self._is_refused = False

    @property
    def shown(self) -> set[str]:
        return self.sweep.shown

    async def read(self, chosen: Plan, gaps: Gaps) -> Reading:
        """Read the lists of the plan side by side; the reading of the new jobs is returned.

        Where they show active jobs and new ones together and fail, the active ones are read apart.
        """
        new, active = await self._read_lists(chosen, gaps)
        if chosen.active is None and ("new" in gaps or (new.failure and not new.failure.refuses_account)):
            active = await self._read_list("active", ListQuery(statuses=ACTIVE), gaps, SIDE_BY_SIDE)
        self.failure = new.trouble or (active.trouble if active else None)
        failures = [reading.failure for reading in (new, active) if reading and reading.failure]
        self.network_works = self.lists_work and all(failure.reason is not Reason.NETWORK for failure in failures)
        self._is_refused = any(failure.refuses_account for failure in failures)
        return new

    async def resolve(self) -> None:
        """Ask what became of the active jobs that no list showed, unless the account cannot be asked."""
        if not self._is_refused and (self.lists_work or self.failure is None or not self.failure.concerns_account):
            failure, self.failure = self.failure, None
            malformed = {job.id for job in self._malformed}
            left = self._left()
            await self._resolver.resolve(
                [job for job in left if job.id not in malformed],
                [job for job in left if job.id in malformed],
                lists_are_good=failure is None,
            )
            self.failure = self.failure or failure
        self.failure = self.failure or self.sweep.suspicion()

    async def get(self, ids: list[str]) -> None:
        """Ask for these jobs."""
        self.lists_work = self.network_works = True
        await self._resolver.get(ids)

    async def take(self, page: Page) -> None:
        """Have recorded what a page shows; one page at a time, for events that wait to be recorded take more than jobs do."""
        async with self._page_lock:
            now = self._recorder.now()
            self._learn_clock(page, now)
            self._malformed.extend(page.malformed)
            self._known.update(await self._recorder.known({job.id for job in page.jobs if job.id not in self._known}))
            changes = self._noted(self.sweep.observe(page.jobs, self._known, now), now)
            if changes:
                await self._found.add(changes)

    def take_malformed(self, job: MalformedJob) -> None:
        self._malformed.append(job)

    def missing(self, job_id: str) -> None:
        self.sweep.missing(job_id)

    async def conclude(self, watermark: int | None) -> Memory:
        """Record what only now is believed, and the watermark."""
        now = self._recorder.now()
        changes, memory = self.sweep.conclude(self._known, now)
        self._unresolved.were_shown(self.sweep.shown)
        if changes or watermark is not None:
            await self._recorder.record(self._noted(changes, now), watermark)
        return memory

    def report(self, gaps: Gaps) -> Report:
        return Report(
            events=self._events,
            shown=len(self.sweep.shown),
            stale=self.sweep.stale,
            malformed=tuple(self._malformed),
            failure=self.failure,
            unreadable=(*gaps.unreadable(), *self._unreadable_jobs()),
            backfilled=self._backfilled,
            clock_ahead=self.sweep.clock_ahead / 1000 if self.sweep.knows_clock else None,
        )

    def _unreadable_jobs(self) -> Iterator[Unreadable]:
        for id_, (_, failure) in sorted(self._unresolved.unreadable.items()):
            yield Unreadable(f"job {id_}", failure, id_)
        said = self._unresolved.unreadable.keys() | self.sweep.shown
        for job in {job.id or index: job for index, job in enumerate(self._malformed) if job.id not in said}.values():
            yield Unreadable(f"job {job.id or 'without an id'}", Failure(Reason.MALFORMED, job.reason), job.id)

    async def _read_lists(self, chosen: Plan, gaps: Gaps) -> tuple[Reading, Reading | None]:
        """Read the lists side by side; what was read of each is noted in `gaps`."""
        queries = {"new": chosen.new} | ({"active": chosen.active} if chosen.active else {})
        readings: dict[str, Reading] = {}

        async def read(name: str, query: ListQuery) -> None:
            readings[name] = await self._read_list(name, query, gaps, SIDE_BY_SIDE // len(queries))

        async with task_group() as group:
            for name, query in queries.items():
                group.start_soon(read, name, query)
        return readings["new"], readings.get("active")

    async def _read_list(self, name: str, query: ListQuery, gaps: Gaps, side_by_side: int) -> Reading:
        """Read the list as far as it can be: where it fails whatever page is asked for, from a later creation time on."""
        reading, failing = await self._read_once(name, query, gaps, side_by_side)
        if failing is None or reading.failure is None:
            return reading
        later = await self._earliest_readable(failing)
        if later is None:
            gaps.was_narrowed_in_vain(name, self._recorder.now())
            return reading
        hole = Hole(0, 1, reading.failure, later - 1, later + 1)
        gaps.was_read(name, failing, (hole,), self._recorder.now(), left_out=False)
        return (await self._read_once(name, query, gaps, side_by_side))[0]

    async def _read_once(self, name: str, query: ListQuery, gaps: Gaps, side_by_side: int) -> tuple[Reading, ListQuery | None]:
        """The reading, and its query where that fails whatever page is asked for."""
        query, holes = gaps.query(name, query, self._recorder.now())
        fetch, direct = self._fetch_from(self._provider, query), self._fetch_from(self._direct, query)
        probe = Probe(direct)

        async def works() -> bool:
            return gaps.is_worth_it(name, self._recorder.now()) and await probe.works()

        reading = Reading(Narrowing(fetch, works, holes, probe=direct), self.take, side_by_side)
        await reading.read()
        if reading.is_exhausted and not reading.has_shown_any:
            gaps.was_narrowed_in_vain(name, self._recorder.now())
        elif reading.read_to_its_end or reading.is_exhausted:
            isolated = tuple(hole for hole in reading.holes if hole.failure is not TOO_MANY)
            gaps.was_read(name, query, isolated, self._recorder.now(), left_out=bool(holes))
        return reading, query if probe.fails else None

    async def _earliest_readable(self, query: ListQuery) -> int | None:
        """From which `created_after` on the list can be read, if it can be limited in that way and then works at all."""
        if query.created_after is None:
            return None

        async def works_from(moment: int) -> bool:
            later = msgspec.structs.replace(query, created_after=moment)
            return await Probe(self._fetch_from(self._direct, later)).works()

        found = await earliest(works_from, query.created_after, self._recorder.now() // 1000 + NO_JOBS_SINCE)
        return None if found is None or await works_from(found - 1) else found  # it may have recovered in the meantime

    def _fetch_from(self, provider: Provider, query: ListQuery) -> Fetch:
        async def fetch(number: int, size: int) -> Page | Failure:
            page = await provider.list_jobs(query, number, size)
            self.lists_work = self.lists_work or not isinstance(page, Failure)
            return page

        return fetch

    def _left(self) -> list[Job]:
        """The jobs that were active and were not shown, but for those that wait to be deleted."""
        now = self._recorder.now()
        left = self._known.keys() - self.sweep.shown
        return [self._known[id_].job for id_ in sorted(left) if self.sweep.is_to_be_asked(id_, now)]

    def _learn_clock(self, page: Page, now: int) -> None:
        if page.provider_time is not None:
            ahead = page.provider_time - now
            self.sweep.clock_ahead = ahead if abs(ahead) >= SAME_TIME else 0
            self.sweep.knows_clock = True

    def _noted(self, changes: Sequence[Change], now: int) -> Sequence[Change]:
        """The changes as they are to be recorded, observed `now`; from here on they are known."""
        changes = self._recorder.lean(changes)
        for change in changes:
            self._known[change.known.job.id] = change.known
            self._unresolved.was_recorded(change.known, now)
        self._events += sum(len(change.events) for change in changes)
        self._backfilled += sum(change.backfilled for change in changes)
        return self._recorder.with_etas(changes, now)
