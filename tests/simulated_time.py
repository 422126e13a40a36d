"""Owns a loop whose time is simulated: where all wait it is at once what the first of them waits for, and stands still else.

What a test says of waits is exact, however busy the machine is. It is for what waits for nothing but the loop's own clock.
"""

import asyncio


class SimulatedTime(asyncio.SelectorEventLoop):
    """For `anyio_backend`, as a `loop_factory`."""

    def __init__(self) -> None:
        super().__init__()
        self._passed = 0.0
        self._look = self._selector.select
        self._selector.select = self._wait

    def time(self) -> float:
        """Seconds since the loop was made."""
        return self._passed

    def _wait(self, seconds):
        if seconds is None:  # for what another thread or a socket has to say
            return self._look(None)
        found = self._look(0)
        if not found:
            self._passed += seconds
        return found
