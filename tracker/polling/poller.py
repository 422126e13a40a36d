"""Owns the left half of the flow: one sweep over an account, from the API's pages to the log.

A sweep reads the lists of its plan, records what they show as it goes on, and then asks what became of the active jobs that no
list showed (`unlisted_jobs`). What fails for one job, or for one part of a list, costs only that. Between two sweeps jobs whose
SUCCESS cannot be complete are asked for again.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import anyio
import msgspec
import structlog

from tracker.core.errors.provider_failure import Failure
from tracker.core.events.job_diff import Known
from tracker.core.jobs.native import PROVIDER, named_provider
from tracker.core.ports.provider import Provider
from tracker.core.ports.store import Checkpoint, Store
from tracker.core.reconciliation.recheck_backoff import DAY, Recheck
from tracker.core.reconciliation.reconcile import EMPTY_MEMORY, Memory, Reconciliation
from tracker.core.reconciliation.sweep_plan import (
    FREE_OVERLAP,
    Census,
    Plan,
    advanced_watermark,
    expected_pages,
    make_plan,
    window_start,
)
from tracker.core.reconciliation.sweep_report import Report
from tracker.core.reconciliation.unreadable_entries import Gaps
from tracker.polling.pagination.list_reader import ListResult
from tracker.polling.recorder import NO_CALLBACKS, Callbacks, Recorder
from tracker.polling.sweep import ACTIVE_JOBS, NEW, Sweep
from tracker.polling.unlisted_jobs import UnresolvedJobs
from tracker.polling.write_batching import WriteBatcher, open_batcher

SWEEPS_UNTIL_ACTIVE_LIST: Final = 20
"""So often the active jobs are listed by status even where the window shows them, in case one was missed."""

WATERMARK_STEP: Final = 60
"""Seconds the watermark moves before it is worth a write of its own."""

FIRST_RECHECK_AFTER: Final = 1_000
"""Milliseconds after which a SUCCESS that cannot be complete is asked for again; then after as long as it has been so."""

LATEST_PROGRESS: Final = 15_000
"""Milliseconds after which progress that is due is logged without a sweep: mostly one comes earlier, and logs it as well."""

MAX_RECHECKS: Final = 10
"""Jobs that are asked for at a time between two sweeps."""


class Poller:
    """The sweeps of one account."""

    def __init__(  # noqa: PLR0913 - each is used as it is
        self,
        account: str,
        provider: Provider,
        store: Store,
        *,
        backfill: float,
        now: Callable[[], int],
        settle_for: float = 0.0,
        direct: Provider | None = None,
        callbacks: Callbacks = NO_CALLBACKS,
        vendor: str | None = None,
        failed_share: float | None = None,
        progress_every: float = 0.0,
    ) -> None:
        """`backfill`, `settle_for` and `progress_every` are in seconds; `now` gives Unix milliseconds.

        `direct` is `provider` without retries.

        A running job of whose requests `failed_share` (0 to 1) have failed is at risk, unless that is None.
        Active jobs of another than `vendor`, where it is given, are left as they are: the API cannot say what became of them.
        """
        self.account = account
        self.provider = provider
        self._direct = direct or provider
        self.store = store
        self.now = now
        self.recorder = Recorder(account, store, now, callbacks)
        self._backfill = backfill
        self._settle_for = round(settle_for * 1000)
        self._progress_every = round(progress_every * 1000)
        self._memory = EMPTY_MEMORY  # until the store was asked which jobs the account has shown
        self._unresolved: UnresolvedJobs | None = None  # until the store was asked which jobs were deleted not long ago
        self._gaps = Gaps()
        self._pages_needed: dict[str, int] = {}  # by list, as far as its next reading can expect them
        self._clock_ahead = 0  # milliseconds
        self._watermark: tuple[float, float] | None = None  # the latest, and the loop's time when its reading began
        self._sweeps = 0
        self._vendor = vendor
        self._failed_share = failed_share
        self._of_another_vendor: frozenset[str] | None = None  # IDs of active jobs, until these were read

    async def poll_once(self) -> Report:
        """Sweep once. Raises `StorageError`; whatever the API does is in the report."""
        began = anyio.current_time()
        checkpoint = await self._checkpoint()
        known = await self._known()
        unresolved = await self._unresolved_jobs(known)
        latest = checkpoint.watermark if self._watermark is None else int(self._watermark[0])
        nth_newest = await self.recorder.from_store(self.store.creation_of_nth_newest(self.account, FREE_OVERLAP))
        window = window_start(checkpoint, latest, nth_newest)
        if self._memory is EMPTY_MEMORY:
            shown = await self.recorder.from_store(self.store.newest_ids(self.account, window, FREE_OVERLAP))
            self._memory = Memory(witnesses=frozenset(shown))
        plan = await self._plan(window, checkpoint, known)

        async with open_batcher(self.recorder.record) as batcher:
            sweep = self._sweep(self._reconciliation(checkpoint, window), known, batcher, unresolved)
            new = await sweep.read(plan)
            await sweep.resolve()
        self._memory = await sweep.conclude(self._next_watermark(new, sweep.reconciliation, checkpoint, began))
        self._clock_ahead = sweep.reconciliation.clock_ahead
        self._sweeps += sweep.failure is None
        return sweep.report()

    def next_follow_up(self) -> float | None:
        """In how many seconds there is something to do between two sweeps; None where there is nothing.

        A SUCCESS that cannot be complete is asked for again, and progress is logged that no sweep has logged in time.
        """
        settling = self._memory.settling.values()
        dues = [min(each.recheck.due_at(FIRST_RECHECK_AFTER), each.recheck.began + self._settle_for) for each in settling]
        if self._memory.progress_due is not None:
            dues.append(self._memory.progress_due + LATEST_PROGRESS)
        return max(0.0, (min(dues) - self.now()) / 1000) if dues else None

    async def follow_up(self) -> None:
        """Do what is due between two sweeps. Raises `StorageError`.

        Record what is complete by now or has waited long enough, and progress that is due.
        """
        settling = self._memory.settling
        due = [id_ for id_, each in settling.items() if each.recheck.is_due(self.now(), FIRST_RECHECK_AFTER)][:MAX_RECHECKS]
        known = await self._known()
        memory, _ = await self._get(due, known)
        asked = {id_: each.after_recheck(self.now()) if id_ in due else each for id_, each in memory.settling.items()}
        self._memory = msgspec.structs.replace(memory, settling=asked)

    async def get_hinted(self, ids: Sequence[str]) -> Sequence[str] | None:
        """Ask for those of these jobs that have not ended, as far as is known, and record what changed. Raises `StorageError`.

        Returns those that still have not ended; None where the account cannot be asked any more.
        """
        known = await self._known()
        known.update(await self.recorder.known([id_ for id_ in ids if id_ not in known]))
        due = [id_ for id_ in ids if id_ in self._memory.settling or id_ not in known or known[id_].active]
        if not due:
            return ()
        self._memory, failure = await self._get(due, known)
        return None if failure else [id_ for id_ in due if id_ not in known or known[id_].active]

    async def _get(self, ids: list[str], known: dict[str, Known]) -> tuple[Memory, Failure | None]:
        """Ask for these jobs between two sweeps: what then has to be remembered, and why the account cannot be asked."""
        checkpoint = await self._checkpoint()
        unresolved = await self._unresolved_jobs(known)
        async with open_batcher(self.recorder.record) as batcher:
            sweep = self._sweep(self._reconciliation(checkpoint, checkpoint.horizon), known, batcher, unresolved)
            await sweep.get(ids)
        memory = await sweep.conclude(None)
        before = self._memory
        return msgspec.structs.replace(memory, witnesses=before.witnesses, strangers=before.strangers), sweep.failure

    def _sweep(
        self, reconciliation: Reconciliation, known: dict[str, Known], batcher: WriteBatcher, unresolved: UnresolvedJobs
    ) -> Sweep:
        return Sweep(
            self.provider,
            self.recorder,
            reconciliation,
            known,
            batcher,
            unresolved=unresolved,
            gaps=self._gaps,
            direct=self._direct,
            pages_needed=self._pages_needed,
        )

    async def _known(self) -> dict[str, Known]:
        """The active jobs, and those that have ended but for what their end lacks."""
        known = await self.recorder.active()
        for id_ in self._find_other_vendors_jobs(known):
            known.pop(id_, None)
        known.update(await self.recorder.known(self._memory.settling.keys() - known.keys()))
        return known

    def _find_other_vendors_jobs(self, active: Mapping[str, Known]) -> frozenset[str]:
        """Which of the jobs that were `active` when the worker began are of the vendor that the configuration named before."""
        if self._of_another_vendor is None:
            own = self._vendor
            others = (id_ for id_, each in active.items() if own not in (None, named_provider(each.job.extra.get(PROVIDER))))
            self._of_another_vendor = frozenset(others)
            if self._of_another_vendor:
                structlog.get_logger().warning(
                    "account.provider_changed", account=self.account, provider=self._vendor, left=len(self._of_another_vendor)
                )
        return self._of_another_vendor

    async def _checkpoint(self) -> Checkpoint:
        now = self.now()
        first = Checkpoint(since=now, horizon=now // 1000 - int(self._backfill))
        return await self.recorder.from_store(self.store.checkpoint(self.account, first))

    async def _unresolved_jobs(self, active: Mapping[str, Known]) -> UnresolvedJobs:
        if self._unresolved is None:
            deleted = await self.recorder.from_store(self.store.deleted_since(self.account, self.now() - DAY))
            self._unresolved = UnresolvedJobs({id_: Recheck(at, at) for id_, at in deleted.items()})
        self._unresolved.forget_others(active)
        return self._unresolved

    def _reconciliation(self, checkpoint: Checkpoint, window: int) -> Reconciliation:
        return Reconciliation(
            self.account,
            checkpoint,
            window,
            self._memory,
            settle_for=self._settle_for,
            clock_ahead=self._clock_ahead,
            mapped=self.provider.capabilities.mapped,
            failed_share=self._failed_share,
            progress_every=self._progress_every,
        )

    async def _plan(self, window: int, checkpoint: Checkpoint, active: Mapping[str, Known]) -> Plan:
        created = [known.job.created_at for known in active.values()]
        oldest = min(created, default=None)
        census = Census(
            active=len(active),
            oldest_active=oldest,
            active_before_window=sum(each <= window for each in created),
            created_in_window=await self._count_created(window),
            created_since_oldest_active=0 if oldest is None else await self._count_created(oldest - 1),
            history_covers_active=oldest is None or oldest >= checkpoint.horizon,
        )
        apart = self._sweeps % SWEEPS_UNTIL_ACTIVE_LIST == 0 or NEW in self._gaps
        plan = make_plan(window, census, self.provider.capabilities, apart=apart)
        for name, pages in zip((NEW, ACTIVE_JOBS), expected_pages(plan, census, self.provider.capabilities), strict=True):
            self._pages_needed[name] = min(self._pages_needed.get(name, 1), pages)
        return plan

    async def _count_created(self, after: int) -> int:
        return await self.recorder.from_store(self.store.count_created(self.account, after))

    def _next_watermark(
        self, new: ListResult, reconciliation: Reconciliation, checkpoint: Checkpoint, began: float
    ) -> int | None:
        """Where the watermark stands now if that is worth recording; it moves only up to where all has been read.

        What is recorded of it stays behind new jobs that are not recorded yet, and for a while behind those that could not be
        read: after a restart they are read again.
        """
        if not new.is_complete:
            if new.read_up_to is not None:
                self._watermark = (new.read_up_to, began)
            return None
        advanced = None if self._watermark is None else self._watermark[0] + began - self._watermark[1]
        before = checkpoint.horizon if checkpoint.watermark is None else checkpoint.watermark
        watermark = advanced_watermark(reconciliation.newest, advanced, before, self.now() + reconciliation.clock_ahead)
        self._watermark = (max(watermark, advanced or watermark), began)
        waiting = [each.job.created_at for each in reconciliation.settling.values()]
        watermark = min([watermark, *waiting, *self._gaps.creations_to_reread(self.now())])
        is_worth_recording = checkpoint.watermark is None or abs(watermark - checkpoint.watermark) >= WATERMARK_STEP
        return watermark if is_worth_recording else None
