"""A jump of the wall clock is detected by the monotonic clock."""

import pytest

from tracker.runtime.clock_jumps import SMALLEST_JUMP, ClockJumpDetector

DAY = 86_400.0
BEGAN = 1_795_500_000.0


class Clocks:
    """A clock that may be set, and one that never jumps; `since` is in seconds."""

    def __init__(self):
        self.wall, self.moment = BEGAN, 5.0
        self._detector = ClockJumpDetector(lambda: round(self.wall * 1000), lambda: self.moment)

    def pass_(self, seconds):
        self.wall += seconds
        self.moment += seconds

    @property
    def since(self):
        return self._detector.last_jump_at() / 1000


@pytest.mark.parametrize("by", [2 * DAY, -2 * DAY, SMALLEST_JUMP + 0.1, -SMALLEST_JUMP - 0.1])
def test_a_jump_is_seen_at_the_next_read(by):
    """Forward and back, and it is remembered, until it jumps again."""
    clocks = Clocks()
    clocks.pass_(10.0)
    clocks.wall += by
    assert clocks.since == BEGAN + 10.0 + by
    clocks.pass_(DAY)
    assert clocks.since == BEGAN + 10.0 + by
    clocks.wall -= by
    assert clocks.since == BEGAN + 10.0 + DAY


def test_time_that_passes_is_no_jump():
    """The interval between two readings may be long, and the clock may be slewed either way meanwhile."""
    clocks = Clocks()
    for seconds in (0.0, 1.0, 3600.0, 100 * DAY):
        clocks.pass_(seconds)
        clocks.wall += SMALLEST_JUMP - 0.1
        assert clocks.since == 0
        clocks.wall -= SMALLEST_JUMP - 0.1
        assert clocks.since == 0
