"""Which replicas are lost, by the server's clock and by what was seen of them."""

from math import inf

import msgspec
import pytest

from tracker.core.replicas.lease_times import LeaseTimes
from tracker.core.replicas.lost_replicas import ReplicaWatch, Sighting

TIMES = LeaseTimes(valid=15, renew=5, safety=1)
START = 1_750_000_000_000
"""The server's clock (Unix milliseconds) at the moment 0 of the watcher's clock."""


class World:
    """A watcher that looks each second, and one other replica that renews each five, unless it is dead."""

    def __init__(self):
        self.watch = ReplicaWatch(TIMES)
        self.now = 0.0
        self.server_ahead = 0.0
        self.renewed_at = START
        self.lost_at = None

    @property
    def server_now(self):
        return START + round((self.now + self.server_ahead) * 1000)

    def renew(self):
        self.renewed_at = self.server_now

    def look(self, *, jumped=False):
        other = Sighting("other", self.renewed_at, self.renewed_at + round(TIMES.valid * 1000))
        if self.watch.look([other], self.server_now, self.now, clock_jumped=jumped) and self.lost_at is None:
            self.lost_at = self.now

    def run(self, seconds, *, alive):
        for _ in range(seconds):
            self.now += 1
            if alive and self.now % TIMES.renew == 0:
                self.renew()
            self.look()


def test_replica_that_renews_is_not_lost():
    """However long it is watched."""
    world = World()
    world.run(1000, alive=True)
    assert world.lost_at is None


def test_replica_that_stopped_is_lost_when_its_leases_expire():
    """Not before they do, and no later."""
    world = World()
    world.run(20, alive=True)
    world.run(100, alive=False)
    assert world.lost_at == 20 + TIMES.valid


def test_new_watcher_sees_for_itself_that_a_replica_is_silent():
    """A row that has expired long ago may be of one that an outage of the database kept from renewing."""
    world = World()
    world.now = 3600.0
    world.look()
    world.run(100, alive=False)
    assert world.lost_at == 3600 + TIMES.seen


def test_replica_that_renews_right_after_an_outage_is_not_lost():
    """After an outage all leases have expired: a replica that renews as soon as it can is not lost."""
    world = World()
    world.run(20, alive=True)
    world.now += 600
    world.look()
    world.run(4, alive=False)
    world.renew()
    world.run(100, alive=True)
    assert world.lost_at is None


@pytest.mark.parametrize("jump", [3600.0, 20.0])
def test_server_clock_that_jumps_ahead_loses_no_live_replica(jump):
    """All leases have expired at once; each replica then has the time that a lease lasts to renew."""
    world = World()
    world.run(21, alive=True)
    world.server_ahead = jump
    world.look(jumped=True)
    world.run(100, alive=True)
    assert world.lost_at is None


def test_replica_that_stopped_as_the_clock_jumped_is_lost_after_its_own_clock_says_so():
    """A holder that stopped at that moment believes in its lease for as long as it lasts: no other replica takes it earlier."""
    world = World()
    world.run(20, alive=True)
    world.server_ahead = 3600.0
    world.look(jumped=True)
    world.run(100, alive=False)
    assert world.lost_at == 20 + TIMES.valid


def test_server_clock_that_jumps_back_delays_no_loss_for_long():
    """Leases that end in an hour by the new clock are over when their holder was silent for longer than leases last."""
    world = World()
    world.run(20, alive=True)
    world.server_ahead = -3600.0
    world.look(jumped=True)
    world.run(100, alive=False)
    assert world.lost_at == 20 + TIMES.valid + TIMES.renew


def test_next_loss_is_announced():
    """The watcher looks again at the moment at which another replica may be lost."""
    world = World()
    assert world.watch.next_loss_at == inf
    world.run(20, alive=True)
    world.run(1, alive=False)
    assert world.watch.next_loss_at == pytest.approx(20 + TIMES.valid)


def test_restarted_replica_is_another_one():
    """A new process under the same name has not been silent."""
    watch = ReplicaWatch(TIMES)
    for now in range(16):
        assert not watch.look([Sighting("first", START, START + 15_000)], START + now * 1000 - 1000, float(now))
    assert not watch.look([Sighting("second", START, START + 15_000)], START + 15_500, 15.5)


def test_time_to_be_seen_leaves_room_for_a_renewal_that_failed():
    """A live replica renews within it, even if one renewal gets no answer."""
    for times in (LeaseTimes(), msgspec.structs.replace(TIMES, renew=1)):
        assert times.seen >= times.renew + min(times.answer, times.renew)
