"""Owns the detection of clock jumps: when the wall clock was set, or the machine was asleep."""

import time
from collections.abc import Callable
from typing import Final

from tracker.runtime.clock import now

SMALLEST_JUMP: Final = 5.0
"""Seconds; a clock that is slewed gains and loses less between two checks."""


class ClockJumpDetector:
    """Compares the wall clock with the monotonic clock."""

    def __init__(self, now: Callable[[], int] = now, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`now` gives Unix milliseconds, `monotonic` seconds of a clock that never jumps."""
        self._now = now
        self._monotonic = monotonic
        self._offset = self._clock_offset()
        self._last_jump_at = 0

    def last_jump_at(self) -> int:
        """The wall-clock time of the last jump in Unix milliseconds, 0 without one; it sees jumps since the last call."""
        before, self._offset = self._offset, self._clock_offset()
        if abs(self._offset - before) > SMALLEST_JUMP:
            self._last_jump_at = self._now()
        return self._last_jump_at

    def _clock_offset(self) -> float:
        """Seconds by which the wall clock is ahead of the monotonic clock."""
        return self._now() / 1000 - self._monotonic()
