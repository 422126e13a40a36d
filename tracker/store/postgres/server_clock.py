"""Owns the server's clock as this process knows it: one clock for all replicas, whatever theirs say."""

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from tracker.runtime.clock import now

SERVER_NOW: Final = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
"""Unix milliseconds, as an SQL expression."""

SMALLEST_JUMP: Final = 1.0
"""Seconds; two clocks that are kept right drift less between two measurements."""


def boot_time() -> float:
    """Seconds of a clock that never jumps, and that counts while the machine sleeps where the system has one."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class Connection(Protocol):
    """The part of an asyncpg connection that a measurement needs."""

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        """The first column of the first row."""


class ServerClock:
    """The server's clock between measurements, by a clock that never jumps. Before the first one it is the system's."""

    def __init__(self, monotonic: Callable[[], float] = boot_time) -> None:
        self._monotonic = monotonic
        self._offset = now() / 1000 - monotonic()
        self._is_measured = False

    def now(self) -> int:
        """Unix milliseconds."""
        return round((self._monotonic() + self._offset) * 1000)

    async def measure(self, connection: Connection) -> None:
        """Ask the server for its time."""
        sent_at = self._monotonic()
        self.measured(await connection.fetchval(f"SELECT {SERVER_NOW}"), sent_at, self._monotonic())

    def measured(self, server_now: int, sent_at: float, received_at: float) -> bool:
        """Learn that the server's clock was `server_now` between two moments; whether that clock has jumped.

        As long as the measurements agree with it the clock is left as it is, so that it does not tremble.
        """
        smallest, largest = server_now / 1000 - received_at, (server_now + 1) / 1000 - sent_at
        before, was_measured = self._offset, self._is_measured
        if not was_measured:
            self._offset = (smallest + largest) / 2
        self._offset, self._is_measured = min(max(self._offset, smallest), largest), True
        return was_measured and abs(self._offset - before) > SMALLEST_JUMP
