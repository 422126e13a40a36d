"""Owns the changes that a sweep has found and not recorded yet: gathered for a moment, so that many pages cost one commit."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio
from anyio.abc import TaskGroup

from tracker.core.events.job_diff import Change
from tracker.runtime.task_groups import task_group

SOON: Final = 0.05
"""Seconds that a change waits for others, however long the sweep goes on."""

MOST_AT_ONCE: Final = 500
"""So many changes wait for no others: what a commit takes, and memory holds of a sweep, has a bound."""

Record = Callable[[Sequence[Change]], Awaitable[None]]


class Gathering:
    """What is to be recorded. Use `gathering`."""

    def __init__(self, record: Record, group: TaskGroup) -> None:
        self._record = record
        self._group = group
        self._found: list[Change] = []
        self._ended = anyio.Event()
        self._turn = anyio.Lock(fast_acquire=True)
        self._failed = False

    async def add(self, changes: Sequence[Change]) -> None:
        """Have these recorded soon; waits while there are as many as are recorded at once."""
        if changes and not self._found:
            self._group.start_soon(self._record_soon)
        self._found += changes
        if len(self._found) >= MOST_AT_ONCE:
            await self._record_all()

    def end(self) -> None:
        """Nothing is added any more: wait for nothing."""
        self._ended.set()

    async def _record_soon(self) -> None:
        with anyio.move_on_after(SOON):
            await self._ended.wait()
        await self._record_all()

    async def _record_all(self) -> None:
        """Once some could not be recorded none are any more, for they build on those: the next sweep finds them all again."""
        async with self._turn:
            with anyio.CancelScope(shield=True):  # a page that fails cancels who adds another, not what all have found
                found, self._found = self._found, []
                if found and not self._failed:
                    self._failed = True
                    await self._record(found)
                    self._failed = False


@asynccontextmanager
async def gathering(record: Record) -> AsyncIterator[Gathering]:
    """What is added to it is recorded by `record`, in the order in which it came, and all of it when the context ends.

    What `record` raises ends the context. If that ends by any exception, what was not recorded yet is left.
    """
    async with task_group() as group:
        found = Gathering(record, group)
        yield found
        found.end()
