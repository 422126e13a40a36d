"""Owns the clock: the one place that asks what time it is, and whether that went on as time does."""

import time
from collections.abc import Callable
from typing import Final

JUMP: Final = 5.0
"""Seconds; a clock that is only slowed down or hurried on to be right gains and loses less between two looks."""


def now() -> int:
    """Unix milliseconds."""
    return time.time_ns() // 1_000_000


class Steadiness:
    """Since when the clock has not jumped, which it does when it is set, and when the machine was asleep."""

    def __init__(self, now: Callable[[], int] = now, moment: Callable[[], float] = time.monotonic) -> None:
        """`now` gives Unix milliseconds, `moment` the seconds of a clock that never jumps."""
        self._now = now
        self._moment = moment
        self._began = self._beginning()
        self._since = 0

    def since(self) -> int:
        """When it last jumped, as seen by who asks often (Unix milliseconds by what it says now); 0 where it did not."""
        before, self._began = self._began, self._beginning()
        if abs(self._began - before) > JUMP:
            self._since = self._now()
        return self._since

    def _beginning(self) -> float:
        """When the clock that never jumps began, by this one."""
        return self._now() / 1000 - self._moment()
