"""Owns what a poller and its sweeps share of the store: what is known of an account's jobs, and recording what was found."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TypeVar

import msgspec

from tracker.core.events.job_diff import Change, Known
from tracker.core.forecast.eta import History, with_etas
from tracker.core.jobs.interning import Interning
from tracker.core.jobs.job import Job
from tracker.core.ports.store import Store

T = TypeVar("T")


class Callbacks(NamedTuple):
    """The callbacks of a poller.

    `active` is called with the active jobs at the start of each sweep; `recorded` is given
    what was recorded, at once; `beat` is called whenever the store has answered.
    """

    active: Callable[[Iterable[Job]], None] = lambda _jobs: None
    recorded: Callable[[Sequence[Change]], None] = lambda _changes: None
    beat: Callable[[], None] = lambda: None


NO_CALLBACKS: Final = Callbacks()


class Recorder:
    """The jobs of one account as the store has them. Every method with `await` raises `StorageError`."""

    def __init__(self, account: str, store: Store, now: Callable[[], int], callbacks: Callbacks = NO_CALLBACKS) -> None:
        """`now` gives Unix milliseconds."""
        self.account = account
        self.store = store
        self.now = now
        self.histories: dict[str, History] = {}
        self._callbacks = callbacks
        self._interning = Interning()

    async def active(self) -> dict[str, Known]:
        """The active jobs, by id."""
        known = await self.from_store(self.store.active_jobs(self.account))
        self._callbacks.active(each.job for each in known.values())
        return known

    async def known(self, ids: Collection[str]) -> Mapping[str, Known]:
        """Those of `ids` that the log knows, active or not."""
        return await self.from_store(self.store.known_jobs(self.account, ids)) if ids else {}

    async def record(self, changes: Sequence[Change], watermark: int | None = None) -> None:
        """Record these changes, and call back."""
        await self.from_store(self.store.record(self.account, changes, watermark))
        self._callbacks.recorded(changes)

    def lean(self, changes: Sequence[Change]) -> list[Change]:
        """The changes, of jobs that can be kept for long."""
        return [
            msgspec.structs.replace(
                change, known=msgspec.structs.replace(change.known, job=self._interning.lean(change.known.job))
            )
            for change in changes
        ]

    def with_etas(self, changes: Sequence[Change], now: int) -> Sequence[Change]:
        """The changes, observed at `now`, with when their jobs will have ended."""
        return with_etas(changes, self.histories, now)

    async def from_store(self, answer: Awaitable[T]) -> T:
        """Await the store, and beat: a hundred accounts may queue for it longer than a loop may be silent."""
        found = await answer
        self._callbacks.beat()
        return found
