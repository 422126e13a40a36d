"""Owns a thread with an event loop of its own, so that threads that may wait can use what runs in a loop."""

import threading
import weakref
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from anyio.from_thread import BlockingPortal

T = TypeVar("T")


class LoopThread:
    """The thread starts when it is first needed, and ends once this object is gone, or with the process."""

    def __init__(self, clean_up: Callable[[], Awaitable[None]]) -> None:
        """`clean_up` runs at the end, in the thread; it must not refer to this object."""
        self._clean_up = clean_up
        self._lock = threading.Lock()
        self._portal: BlockingPortal | None = None

    def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """The result of `work`, which runs in the thread. It blocks; any thread but that one may call it."""
        with self._lock:
            if self._portal is None:
                self._portal = self._start()
            return self._portal.call(work)

    def _start(self) -> BlockingPortal:
        thread = _Thread(self._clean_up)
        portal = thread.started()
        end = weakref.finalize(self, threading.Thread(target=thread.end, daemon=True).start)  # garbage may be found in the loop
        end.atexit = False
        return portal


class _Thread:
    def __init__(self, clean_up: Callable[[], Awaitable[None]]) -> None:
        self._clean_up = clean_up
        self._is_ready = threading.Event()
        self._portal: BlockingPortal
        self._ended: anyio.Event

    def started(self) -> BlockingPortal:
        threading.Thread(target=anyio.run, args=(self._run,), name="postgres-statistics", daemon=True).start()
        self._is_ready.wait()
        return self._portal

    def end(self) -> None:
        self._portal.call(self._ended.set)

    async def _run(self) -> None:
        async with BlockingPortal() as self._portal:
            self._ended = anyio.Event()
            self._is_ready.set()
            await self._ended.wait()
            await self._clean_up()
