"""Liveness: each loop announces when it will beat again; a loop that does not beat in time hangs.

A loop that waits for something that ends by a known moment (a request's deadline, a turn, its next look) announces it, however
long that is. A loop without an announced wait, such as one that waits for a lock that is never released, must beat within
`patience`. So the longest legitimate wait is no hang, and a hang is found long before.

Times are seconds of a clock that never jumps.
"""

from collections.abc import Iterator
from math import inf

PATIENCE = 60.0
"""Seconds, by default: far longer than any step without an announced wait takes."""


class Loop:
    """The liveness of one loop. It counts only while the loop is at work."""

    def __init__(self) -> None:
        self._at_work = 0
        self._heard_at = 0.0
        self._waits: dict[int, float] = {}  # until when, by number
        self._numbered = 0

    def begin(self, now: float) -> None:
        self._at_work += 1
        self.beat(now)

    def end(self) -> None:
        self._at_work -= 1

    def beat(self, now: float) -> None:
        """The loop is alive."""
        self._heard_at = now

    def wait(self, now: float, seconds: float) -> int:
        """It waits for something that takes `seconds` at most; the number is for `go_on`. Several waits may overlap."""
        self.beat(now)
        self._numbered += 1
        self._waits[self._numbered] = now + seconds
        return self._numbered

    def go_on(self, wait: int, now: float) -> None:
        """That wait is over, one way or another."""
        self.beat(now)
        del self._waits[wait]

    @property
    def expected_at(self) -> float:
        """When it was to be heard of: by the first of its waits to end, or from when it was last. Never, unless at work."""
        return min(self._waits.values(), default=self._heard_at) if self._at_work > 0 else inf


class Liveness:
    """The loops, by what an operator calls them."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._loops: dict[str, Loop] = {}

    def loop(self, name: str) -> Loop:
        """The one loop of that name, at work or not."""
        return self._loops.setdefault(name, Loop())

    def overdue(self, now: float) -> Iterator[str]:
        """The loops that hang: their heartbeat was due more than `patience` ago."""
        return (name for name, loop in self._loops.items() if now > loop.expected_at + self._patience)

    def quiet_until(self, now: float) -> float:
        """Until when no further loop can become `overdue`: heartbeats from now on only extend that."""
        expected = [at for loop in self._loops.values() if (at := loop.expected_at + self._patience) >= now]
        return min([now + self._patience, *expected])
