"""Owns the left half of the flow: one sweep over an account, from the API's pages to the log.

A sweep reads the lists that the plan chose, records what they show while it goes on, and then asks what became of the active
jobs that no list showed (`resolving`). What fails for one job, or for one part of a list, costs only that. Between two sweeps
jobs whose SUCCESS cannot be complete are asked for again.
"""

from collections.abc import Callable, Mapping
from typing import Final

import anyio
import msgspec

from tracker.core.events.job_diff import Known
from tracker.core.ports.provider import Provider
from tracker.core.ports.store import Checkpoint, Store
from tracker.core.reconciliation.recheck_schedule import DAY, Recheck
from tracker.core.reconciliation.reconcile import NOTHING, Memory, Sweep
from tracker.core.reconciliation.sweep_plan import FREE_OVERLAP, Census, Plan, advanced_watermark, plan, window_start
from tracker.core.reconciliation.sweep_report import Report
from tracker.core.reconciliation.unreadable_entries import Gaps
from tracker.polling.missing_jobs import Unresolved
from tracker.polling.pagination import Reading
from tracker.polling.recorder import NO_CALLBACKS, Callbacks, Recorder
from tracker.polling.sweep import Run
from tracker.polling.write_batching import Gathering, gathering

SWEEPS_UNTIL_APART: Final = 20
"""So often the active jobs are listed by status even where the window shows them, in case one was missed."""

WATERMARK_STEP: Final = 60
"""Seconds the watermark moves before it is worth a write of its own."""

SETTLE_FIRST: Final = 1_000
"""Milliseconds after which a SUCCESS that cannot be complete is asked for again; then after as long as it has been so."""

MOST_SETTLED: Final = 10
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
    ) -> None:
        """`backfill` and `settle_for` are in seconds; `now` gives Unix milliseconds; `direct` is `provider` without retries."""
        self.account = account
        self.provider = provider
        self._direct = direct or provider
        self.store = store
        self.now = now
        self.recorder = Recorder(account, store, now, callbacks)
        self._backfill = backfill
        self._settle_for = round(settle_for * 1000)
        self._memory = NOTHING  # until the store was asked which jobs the account has shown
        self._unresolved: Unresolved | None = None  # until the store was asked which jobs were deleted not long ago
        self._gaps = Gaps()
        self._clock_ahead = 0  # milliseconds
        self._watermark: tuple[float, float] | None = None  # the latest, and the loop's time when its reading began
        self._sweeps = 0

    async def poll_once(self) -> Report:
        """Sweep once. Raises `StorageError`; whatever the API does is in the report."""
        began = anyio.current_time()
        checkpoint = await self._checkpoint()
        known = await self._known()
        unresolved = await self._unresolved_of(known)
        latest = checkpoint.watermark if self._watermark is None else int(self._watermark[0])
        nth_newest = await self.recorder.answered(self.store.creation_of_nth_newest(self.account, FREE_OVERLAP))
        window = window_start(checkpoint, latest, nth_newest)
        if self._memory is NOTHING:
            shown = await self.recorder.answered(self.store.newest_ids(self.account, window, FREE_OVERLAP))
            self._memory = Memory(witnesses=frozenset(shown))
        chosen = await self._plan(window, checkpoint, known)

        async with gathering(self.recorder.record) as found:
            run = self._run(self._sweep(checkpoint, window), known, found, unresolved)
            new = await run.read(chosen, self._gaps)
            await run.resolve()
        self._memory = await run.conclude(self._moved_watermark(new, run.sweep, checkpoint, began))
        self._clock_ahead = run.sweep.clock_ahead
        self._sweeps += run.failure is None
        return run.report(self._gaps)

    def next_follow_up(self) -> float | None:
        """In how many seconds a SUCCESS that cannot be complete is to be asked for again; None where there is none."""
        settling = self._memory.settling.values()
        dues = [min(each.recheck.due_at(SETTLE_FIRST), each.recheck.began + self._settle_for) for each in settling]
        return max(0.0, (min(dues) - self.now()) / 1000) if dues else None

    async def follow_up(self) -> None:
        """Ask for those that are due, and record what is complete by now or has waited long enough. Raises `StorageError`."""
        settling = self._memory.settling
        due = [id_ for id_, each in settling.items() if each.recheck.is_due(self.now(), SETTLE_FIRST)][:MOST_SETTLED]
        checkpoint = await self._checkpoint()
        known = await self._known()
        unresolved = await self._unresolved_of(known)
        async with gathering(self.recorder.record) as found:
            run = self._run(self._sweep(checkpoint, checkpoint.horizon), known, found, unresolved)
            await run.get(due)
        memory = await run.conclude(None)
        asked = {id_: each.asked_again(self.now()) if id_ in due else each for id_, each in memory.settling.items()}
        before = self._memory
        self._memory = msgspec.structs.replace(memory, settling=asked, witnesses=before.witnesses, strangers=before.strangers)

    def _run(self, sweep: Sweep, known: dict[str, Known], found: Gathering, unresolved: Unresolved) -> Run:
        return Run(self.provider, self.recorder, sweep, known, found, unresolved, direct=self._direct)

    async def _known(self) -> dict[str, Known]:
        """The active jobs, and those that have ended but for what their end lacks."""
        known = await self.recorder.active()
        known.update(await self.recorder.known(self._memory.settling.keys() - known.keys()))
        return known

    async def _checkpoint(self) -> Checkpoint:
        now = self.now()
        first = Checkpoint(since=now, horizon=now // 1000 - int(self._backfill))
        return await self.recorder.answered(self.store.checkpoint(self.account, first))

    async def _unresolved_of(self, active: Mapping[str, Known]) -> Unresolved:
        if self._unresolved is None:
            deleted = await self.recorder.answered(self.store.deleted_since(self.account, self.now() - DAY))
            self._unresolved = Unresolved({id_: Recheck(at, at) for id_, at in deleted.items()})
        self._unresolved.forget_others(active)
        return self._unresolved

    def _sweep(self, checkpoint: Checkpoint, window: int) -> Sweep:
        return Sweep(self.account, checkpoint, window, self._memory, settle_for=self._settle_for, clock_ahead=self._clock_ahead)

    async def _plan(self, window: int, checkpoint: Checkpoint, active: Mapping[str, Known]) -> Plan:
        oldest = min((known.job.created_at for known in active.values()), default=None)
        census = Census(
            active=len(active),
            oldest_active=oldest,
            created_in_window=await self._count_created(window),
            created_since_oldest_active=0 if oldest is None else await self._count_created(oldest - 1),
        )
        beyond_history = oldest is not None and oldest < checkpoint.horizon  # what was created then the log does not know
        apart = beyond_history or self._sweeps % SWEEPS_UNTIL_APART == 0 or "new" in self._gaps
        return plan(window, census, apart=apart)

    async def _count_created(self, after: int) -> int:
        return await self.recorder.answered(self.store.count_created(self.account, after))

    def _moved_watermark(self, new: Reading, sweep: Sweep, checkpoint: Checkpoint, began: float) -> int | None:
        """Where the watermark stands now if that is worth recording; it moves only up to where all has been read.

        What is recorded of it stays behind new jobs that are not recorded yet, and for a while behind those that could not be
        read: after a restart they are read again.
        """
        if not new.read_to_its_end:
            if new.read_up_to is not None:
                self._watermark = (new.read_up_to, began)
            return None
        advanced = None if self._watermark is None else self._watermark[0] + began - self._watermark[1]
        before = checkpoint.horizon if checkpoint.watermark is None else checkpoint.watermark
        watermark = advanced_watermark(sweep.newest, advanced, before, self.now() + sweep.clock_ahead)
        self._watermark = (max(watermark, advanced or watermark), began)
        waiting = [each.job.created_at for each in sweep.settling.values()]
        watermark = min([watermark, *waiting, *self._gaps.held_back(self.now())])
        worth_it = checkpoint.watermark is None or abs(watermark - checkpoint.watermark) >= WATERMARK_STEP
        return watermark if worth_it else None
