"""Owns threads for a library that blocks: an attempt has a time limit, though nothing can stop its thread.

A thread that goes on after its time limit keeps its place until it ends, so that a service that hangs has only a few.
It is a daemon thread: the process does not wait for it when it stops.
"""

from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import Final, Generic, TypeVar

import anyio
import anyio.from_thread
import anyio.lowlevel

T = TypeVar("T")

MOST_THREADS: Final = 4
"""Of one receiver, those that go on after their time limit included."""


class AttemptThreads:
    """At most `MOST_THREADS` threads at a time."""

    def __init__(self) -> None:
        self._free = anyio.Semaphore(MOST_THREADS)

    async def run(self, work: Callable[[], T], seconds: float) -> T | None:
        """What `work` returns; None if that takes longer than `seconds`, or there is no free thread within them."""
        with anyio.move_on_after(seconds):
            await self._free.acquire()
            try:
                attempt = _Attempt(work, self._free.release, anyio.lowlevel.current_token())
                attempt.start()
            except BaseException:
                self._free.release()
                raise
            return await attempt.result()
        return None


class _Attempt(Thread, Generic[T]):
    """Calls `work`; then, in the event loop, `on_end`."""

    def __init__(self, work: Callable[[], T], on_end: Callable[[], None], loop: anyio.lowlevel.EventLoopToken) -> None:
        super().__init__(name="apprise attempt", daemon=True)
        self._work = work
        self._on_end = on_end
        self._loop = loop
        self._ended = anyio.Event()
        self._result: T | None = None
        self._error: BaseException | None = None

    async def result(self) -> T | None:
        await self._ended.wait()
        if self._error:
            raise self._error
        return self._result

    def run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - raised where the result is awaited
            self._error = error
        with suppress(RuntimeError):  # the event loop has ended
            anyio.from_thread.run_sync(self._end, token=self._loop)

    def _end(self) -> None:
        self._on_end()
        self._ended.set()
