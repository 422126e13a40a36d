"""Liveness: each loop announces when it will beat again; a loop that does not beat in time hangs.

A loop that waits for something that ends by a known time (a request's deadline, its turn, its next sweep) announces the wait,
however long it is. A loop without an announced wait, such as one that waits for a lock that is never released, must beat within
`hang_after`. So the longest legitimate wait is no hang, and a hang is found long before.

Times are seconds of a clock that never jumps.
"""

from collections.abc import Iterator
from math import inf


class Loop:
    """The liveness of one loop. It counts only while the loop is at work."""

    def __init__(self) -> None:
        self._at_work = 0
        self._beaten_at = 0.0
        self._waits: dict[int, float] = {}  # until when, by number
        self._numbered = 0

    def begin(self, now: float) -> None:
        self._at_work += 1
        self.beat(now)

    def end(self) -> None:
        self._at_work -= 1

    def beat(self, now: float) -> None:
        """The loop is alive."""
        self._beaten_at = now

    def wait(self, now: float, seconds: float) -> int:
        """Announce a wait of at most `seconds`; returns its number, for `end_wait`. Several waits may overlap."""
        self.beat(now)
        self._numbered += 1
        self._waits[self._numbered] = now + seconds
        return self._numbered

    def end_wait(self, wait: int, now: float) -> None:
        """The wait is over: it succeeded, failed or was cancelled."""
        self.beat(now)
        del self._waits[wait]

    @property
    def expected_at(self) -> float:
        """When a heartbeat is due: when the first announced wait ends, else at once. Never for a loop that is not at work."""
        return min(self._waits.values(), default=self._beaten_at) if self._at_work > 0 else inf


class Liveness:
    """The loops of the daemon, by name."""

    def __init__(self, hang_after: float) -> None:
        """A loop hangs whose heartbeat is due for more than `hang_after` seconds."""
        self._hang_after = hang_after
        self._loops: dict[str, Loop] = {}

    def loop(self, name: str) -> Loop:
        """The loop of that name."""
        return self._loops.setdefault(name, Loop())

    def overdue(self, now: float) -> Iterator[str]:
        """The loops that hang: their heartbeat was due more than `hang_after` ago."""
        return (name for name, loop in self._loops.items() if now > loop.expected_at + self._hang_after)

    def quiet_until(self, now: float) -> float:
        """Until when no further loop can become `overdue`: heartbeats from now on only extend that."""
        expected = [at for loop in self._loops.values() if (at := loop.expected_at + self._hang_after) >= now]
        return min([now + self._hang_after, *expected])
