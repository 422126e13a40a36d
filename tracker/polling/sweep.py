"""Owns one sweep under way: lists are read side by side, what they show is recorded, the jobs that they lack are resolved."""

from collections.abc import Iterator, Sequence
from typing import Final

import anyio

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.job_diff import Change, Known
from tracker.core.jobs.job import Job, MalformedJob, Page
from tracker.core.ports.provider import ListQuery, Provider
from tracker.core.reconciliation.reconcile import Memory, Reconciliation
from tracker.core.reconciliation.sweep_plan import Plan
from tracker.core.reconciliation.sweep_report import Report, Unreadable
from tracker.core.reconciliation.unreadable_entries import Gaps
from tracker.polling.pagination.cursor_pagination import CursorReader
from tracker.polling.pagination.list_reader import ListReader, ListResult
from tracker.polling.pagination.random_access_reader import RandomAccessReader
from tracker.polling.recorder import Recorder
from tracker.polling.unlisted_jobs import UnlistedJobResolver, UnresolvedJobs
from tracker.polling.write_batching import WriteBatcher
from tracker.runtime.task_groups import task_group

NEW: Final = "new"
ACTIVE_JOBS: Final = "active"
"""The names of the lists, as operators see them."""

SAME_TIME: Final = 2_000
"""Milliseconds by which two clocks may differ before it counts: the provider gives whole seconds, and pages take time."""


class Sweep:
    """One sweep under way, or some gets between two sweeps."""

    def __init__(  # noqa: PLR0913 - each is used as it is
        self,
        provider: Provider,
        recorder: Recorder,
        reconciliation: Reconciliation,
        known: dict[str, Known],
        batcher: WriteBatcher,
        *,
        unresolved: UnresolvedJobs,
        gaps: Gaps,
        direct: Provider,
        pages_needed: dict[str, int],
    ) -> None:
        """`direct` is the `provider` without retries; `known` are the active jobs, and what is found becomes known.

        `pages_needed` is of the `RandomAccessReader`.
        """
        self.reconciliation = reconciliation
        self.failure: Failure | None = None
        self.network_works = False  # whether all lists have answered, be it with an error
        self._recorder = recorder
        self._known = known
        self._batcher = batcher
        self._unresolved = unresolved
        self._gaps = gaps
        self._lists = self._list_reader(provider, direct, pages_needed)
        self._resolver = UnlistedJobResolver(provider, self, unresolved, recorder.now)
        self._events = 0
        self._backfilled = 0
        self._malformed: list[MalformedJob] = []
        self._page_lock = anyio.Lock(fast_acquire=True)
        self._is_refused = False
        self._limitation: str | None = None
        self._asks_by_id = False  # the lists are not read in this sweep, so nothing is wrong with them

    @property
    def lists_work(self) -> bool:
        """Whether any list has answered in this sweep."""
        return self._asks_by_id or self._lists.has_answered

    @property
    def shown(self) -> set[str]:
        return self.reconciliation.shown

    async def read(self, plan: Plan) -> ListResult:
        """Read the lists of the plan side by side, and return the result of the one that shows new jobs.

        Where it is to show the active jobs too and fails, those are read in a list of their own.
        """
        new, active = await self._read_lists(plan)
        if plan.active is None and plan.fallback and (NEW in self._gaps or (new.failure and not new.failure.refuses_account)):
            active = await self._lists.read(ACTIVE_JOBS, plan.fallback)
        self._limitation = new.limitation
        self.failure = new.problem or (active.problem if active else None)
        failures = [result.failure for result in (new, active) if result and result.failure]
        self.network_works = self.lists_work and all(failure.reason is not Reason.NETWORK for failure in failures)
        self._is_refused = any(failure.refuses_account for failure in failures)
        return new

    async def resolve(self) -> None:
        """Ask what became of the active jobs that no list showed, unless the account cannot be asked."""
        if not self._is_refused and (self.lists_work or self.failure is None or not self.failure.concerns_account):
            failure, self.failure = self.failure, None
            malformed = {job.id for job in self._malformed}
            unshown = self._unshown_jobs()
            await self._resolver.resolve(
                [job for job in unshown if job.id not in malformed],
                [job for job in unshown if job.id in malformed],
                lists_are_good=failure is None,
            )
            self.failure = self.failure or failure
        self.failure = self.failure or self.reconciliation.suspicion()

    async def get(self, ids: list[str]) -> None:
        """Ask for these jobs."""
        self._asks_by_id = self.network_works = True
        await self._resolver.get(ids)

    async def process_page(self, page: Page) -> None:
        """Have recorded what a page shows; one page at a time, for events that wait to be recorded take more than jobs do."""
        async with self._page_lock:
            now = self._recorder.now()
            self._learn_clock(page, now)
            self._malformed.extend(page.malformed)
            if unknown := page.ids.difference(self._known):
                self._known.update(await self._recorder.known(unknown))
            if self.reconciliation.observes_unchanged(page.kept, self._known):
                return
            changes = self._prepare_changes(self.reconciliation.observe(page.jobs, self._known, now), now)
            if changes:
                await self._batcher.add(changes)
            if page.kept:
                page.kept.share(self._known)

    def record_malformed(self, job: MalformedJob) -> None:
        self._malformed.append(job)

    def record_missing(self, job_id: str) -> None:
        if job_id in self._known:  # a hint may name any
            self.reconciliation.record_missing(job_id)

    async def conclude(self, watermark: int | None) -> Memory:
        """Record what only now is believed, and the watermark."""
        now = self._recorder.now()
        changes, memory = self.reconciliation.conclude(self._known, now)
        self._unresolved.forget_shown(self.reconciliation.shown)
        if changes or watermark is not None:
            await self._recorder.record(self._prepare_changes(changes, now), watermark)
        return memory

    def report(self) -> Report:
        return Report(
            events=self._events,
            shown=len(self.reconciliation.shown),
            stale=self.reconciliation.stale,
            malformed=tuple(self._malformed),
            failure=self.failure,
            limitation=self._limitation,
            unreadable=(*self._gaps.unreadable(), *self._unreadable_jobs()),
            backfilled=self._backfilled,
            clock_ahead=self.reconciliation.clock_ahead / 1000 if self.reconciliation.knows_clock else None,
        )

    def _unreadable_jobs(self) -> Iterator[Unreadable]:
        for id_, (_, failure) in sorted(self._unresolved.unreadable.items()):
            yield Unreadable(f"job {id_}", failure, id_)
        reported = self._unresolved.unreadable.keys() | self.reconciliation.shown
        for job in {job.id or index: job for index, job in enumerate(self._malformed) if job.id not in reported}.values():
            yield Unreadable(f"job {job.id or 'without an id'}", Failure(Reason.MALFORMED, job.reason), job.id)

    def _list_reader(self, provider: Provider, direct: Provider, pages_needed: dict[str, int]) -> ListReader:
        if provider.capabilities.random_access:
            return RandomAccessReader(provider, direct, self._gaps, self.process_page, self._recorder.now, pages_needed)
        return CursorReader(provider, direct, self.process_page)

    async def _read_lists(self, plan: Plan) -> tuple[ListResult, ListResult | None]:
        """Read the lists of the plan side by side."""
        queries = {NEW: plan.new} | ({ACTIVE_JOBS: plan.active} if plan.active else {})
        results: dict[str, ListResult] = {}

        async def read(name: str, query: ListQuery) -> None:
            results[name] = await self._lists.read(name, query, len(queries))

        async with task_group() as group:
            for name, query in queries.items():
                group.start_soon(read, name, query)
        return results[NEW], results.get(ACTIVE_JOBS)

    def _unshown_jobs(self) -> list[Job]:
        """The jobs that were active and were not shown, but for those that wait to be deleted."""
        now = self._recorder.now()
        left = self._known.keys() - self.reconciliation.shown
        return [self._known[id_].job for id_ in sorted(left) if self.reconciliation.should_get(id_, now)]

    def _learn_clock(self, page: Page, now: int) -> None:
        if page.provider_time is not None:
            ahead = page.provider_time - now
            self.reconciliation.clock_ahead = ahead if abs(ahead) >= SAME_TIME else 0
            self.reconciliation.knows_clock = True

    def _prepare_changes(self, changes: Sequence[Change], now: int) -> Sequence[Change]:
        """The changes as they are to be recorded, observed `now`; from here on they are known."""
        changes = self._recorder.lean(changes)
        for change in changes:
            self._known[change.known.job.id] = change.known
            self._unresolved.record_known(change.known, now)
        self._events += sum(len(change.events) for change in changes)
        self._backfilled += sum(change.backfilled for change in changes)
        return self._recorder.with_etas(changes, now)
