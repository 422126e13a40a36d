"""Owns batching the changes that a sweep has found: they wait a moment for others, so that many pages need one commit."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio.abc import TaskGroup

from tracker.core.events.job_diff import Change
from tracker.runtime.task_groups import task_group

MAX_DELAY: Final = 0.05
"""Seconds that a change waits for others at most."""

MAX_BATCH: Final = 500
"""The number of changes that are recorded without waiting. It bounds a commit, and the memory of a sweep."""

Record = Callable[[Sequence[Change]], Awaitable[None]]


class WriteBatcher:
    """The changes that wait to be recorded; see `open_batcher`."""

    def __init__(self, record: Record, group: TaskGroup) -> None:
        self._record = record
        self._group = group
        self._waiting: list[Change] = []
        self._ended = anyio.Event()
        self._lock = anyio.Lock(fast_acquire=True)
        self._failed = False

    async def add(self, changes: Sequence[Change]) -> None:
        """Record these soon. It waits while a full batch is being recorded."""
        if changes and not self._waiting:
            self._group.start_soon(self._record_soon)
        self._waiting += changes
        if len(self._waiting) >= MAX_BATCH:
            await self._record_all()

    def end(self) -> None:
        """Record what is waiting without delay: nothing is added any more."""
        self._ended.set()

    async def _record_soon(self) -> None:
        with anyio.move_on_after(MAX_DELAY):
            await self._ended.wait()
        await self._record_all()

    async def _record_all(self) -> None:
        """After a batch that fails nothing is recorded, for later changes build on it: the next sweep finds them all again."""
        async with self._lock:
            with anyio.CancelScope(shield=True):  # a page that fails cancels the task that adds another, not the commit
                batch, self._waiting = self._waiting, []
                if batch and not self._failed:
                    self._failed = True
                    await self._record(batch)
                    self._failed = False


@asynccontextmanager
async def open_batcher(record: Record) -> AsyncIterator[WriteBatcher]:
    """A batcher that records changes by `record`, in the order in which they were added, the last ones when the context ends.

    An exception of `record` ends the context. If it ends by any exception, changes that wait are dropped.
    """
    async with task_group() as group:
        batcher = WriteBatcher(record, group)
        yield batcher
        batcher.end()
