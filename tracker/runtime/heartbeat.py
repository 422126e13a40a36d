"""The heartbeat of a loop, on the event loop's clock, which never jumps."""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from tracker.runtime.liveness import Loop


class Heartbeat:
    """Reports a loop's heartbeats and waits to `loop`; without one they are discarded."""

    def __init__(self, loop: Loop | None = None) -> None:
        self._loop = loop or Loop()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """The loop runs while the context lasts: it must beat from now on."""
        self._loop.begin(anyio.current_time())
        try:
            yield
        finally:
            self._loop.end()

    @contextmanager
    def waiting(self, seconds: float) -> Iterator[None]:
        """The context waits for something that takes at most `seconds`."""
        wait = self._loop.wait(anyio.current_time(), seconds)
        try:
            yield
        finally:
            self._loop.end_wait(wait, anyio.current_time())

    def beat(self) -> None:
        self._loop.beat(anyio.current_time())

    async def sleep_until(self, moment: float) -> None:
        """Sleep until `moment` of the event loop's clock."""
        with self.waiting(moment - anyio.current_time()):
            await anyio.sleep_until(moment)

    async def sleep(self, seconds: float) -> None:
        with self.waiting(seconds):
            await anyio.sleep(seconds)
