"""The server's clock as a process knows it."""

import pytest

from tracker.store.postgres.server_clock import ServerClock


class Machine:
    """A process's own clock, and a server whose clock is ahead of it."""

    def __init__(self, ahead=1_750_000_000.0):
        self.now = 50.0
        self.ahead = ahead
        self.clock = ServerClock(lambda: self.now)

    def measure(self, there=0.01, back=0.01):
        """Ask the server; the request takes `there` seconds and the answer `back`."""
        sent_at = self.now
        self.now += there
        server_now = int((self.now + self.ahead) * 1000)
        self.now += back
        return self.clock.measured(server_now, sent_at, self.now)

    def error(self):
        """By how many seconds the clock is wrong."""
        return self.clock.now() / 1000 - self.now - self.ahead


def test_clock_is_the_servers_whatever_the_own_says():
    """Two processes whose clocks are hours apart agree on when something is due."""
    machine = Machine()
    assert not machine.measure()
    assert machine.error() == pytest.approx(0, abs=0.011)
    machine.now += 3600
    assert machine.error() == pytest.approx(0, abs=0.011)


def test_slow_answer_does_not_move_a_clock_that_was_right():
    """An answer that took seconds says little: what was measured well stays."""
    machine = Machine()
    machine.measure()
    before = machine.error()
    assert not machine.measure(there=0.001, back=8)
    assert not machine.measure(there=8, back=0.001)
    assert machine.error() == pytest.approx(before, abs=0.0011)


def test_better_answer_corrects_a_worse_one():
    """The first measurement was of a slow network."""
    machine = Machine()
    machine.measure(there=0.0, back=4)
    assert abs(machine.error()) > 1
    machine.measure()
    assert machine.error() == pytest.approx(0, abs=0.022)


@pytest.mark.parametrize("step", [3600.0, -3600.0, 2.0])
def test_jump_of_the_servers_clock_is_followed_and_reported(step):
    """All replicas follow the server, and each knows that it did."""
    machine = Machine()
    machine.measure()
    machine.ahead += step
    assert machine.measure()
    assert machine.error() == pytest.approx(0, abs=0.021)
    assert not machine.measure()


def test_drift_is_no_jump():
    """Clocks that are slewed differ by little between two measurements."""
    machine = Machine()
    machine.measure()
    for _ in range(20):
        machine.ahead += 0.1
        assert not machine.measure()
        assert machine.error() == pytest.approx(0, abs=0.021)
