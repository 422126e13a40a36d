"""What a replica holds, by its own clock and by what the database says."""

import time

import pytest

from tracker.core.replicas.lease import MAINTENANCE_LEASE, account_lease, receiver_lease
from tracker.store.postgres.leases.held_leases import HeldLeases

A, B, R = account_lease("a"), account_lease("b"), receiver_lease("a")


class Clock:
    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def gained():
    return []


@pytest.fixture
def held(clock, gained):
    leases = HeldLeases(clock, gained.append)
    leases.request([A, B, R])
    return leases


def renewed(held, clock, *keys, epoch=1, give_back=()):
    held.renewed(dict.fromkeys(keys, epoch), give_back, clock.now + 14)


def state(held):
    return held.assigned(), held.releasing()


def test_nothing_is_held_before_the_first_renewal(held):
    """What is requested is not what is held."""
    assert state(held) == (frozenset(), frozenset())
    assert not held.is_valid(A)
    assert held.epoch(A) is None


def test_lease_is_valid_until_its_end_by_the_own_clock(held, clock):
    """At that moment it is gone, though no timer has run yet: the process may have slept."""
    renewed(held, clock, A)
    clock.now += 13.9
    assert held.is_valid(A)
    assert held.epoch(A) == 1
    assert state(held) == ({A}, frozenset())
    clock.now += 0.1
    assert not held.is_valid(A)
    assert held.epoch(A) is None
    assert state(held) == (frozenset(), frozenset())


async def test_changes_are_signalled(held, clock):
    """A change of what is assigned or releasing sets the signal that was taken before; a renewal of the same does not."""
    first = held.changed()
    renewed(held, clock, A, B)
    assert first.is_set()
    second = held.changed()
    renewed(held, clock, A, B)
    assert not second.is_set()
    renewed(held, clock, A, B, give_back=[B])
    assert second.is_set()
    third = held.changed()
    await held.release(B)
    assert third.is_set()
    fourth = held.changed()
    clock.now += 14
    assert held.lapse() == {A}
    assert fourth.is_set()


async def test_lease_to_be_given_back_is_valid_until_it_is_released(held, clock):
    """Its worker may finish what it does; released, it is not used any more though the database may still have it as held."""
    renewed(held, clock, A, B, give_back=[B])
    assert state(held) == ({A}, {B})
    assert held.is_valid(B)
    await held.release(B)
    assert state(held) == ({A}, frozenset())
    assert not held.is_valid(B)
    renewed(held, clock, A, B)
    assert not held.is_valid(B)
    assert held.released == {B}
    held.given_back([B])
    renewed(held, clock, A, B, epoch=2)
    assert state(held) == ({A, B}, frozenset())


async def test_only_what_is_releasing_is_released(held, clock):
    """A worker that ended for another reason gives nothing back."""
    renewed(held, clock, A)
    await held.release(A)
    await held.release(B)
    assert state(held) == ({A}, frozenset())
    assert held.released == frozenset()


async def test_release_takes_as_long_as_one_lease_whatever_is_held(clock):
    """A newcomer is given thousands by one that must renew meanwhile: the limit is a hundred times what they take."""
    many = [account_lease(str(number)) for number in range(20_000)]
    held = HeldLeases(clock)
    held.request(many)
    renewed(held, clock, *many, give_back=many)
    began_at = time.perf_counter()
    for key in many:
        await held.release(key)
    assert held.held() == {}
    assert time.perf_counter() - began_at < 10


def test_what_is_no_longer_requested_is_to_be_given_back(held, clock):
    """At once, and it stays so when it is requested again: its worker is being stopped."""
    renewed(held, clock, A, B)
    held.request([A])
    assert state(held) == ({A}, {B})
    held.request([A, B])
    assert state(held) == ({A}, {B})
    renewed(held, clock, A, B)
    assert state(held) == ({A}, {B})


def test_request_during_a_renewal_counts(held, clock):
    """What was taken for a configuration that is no longer in force is given back without having been assigned."""
    held.request([A])
    renewed(held, clock, A, B)
    assert state(held) == ({A}, {B})


def test_what_the_database_no_longer_has_is_lost(held, clock):
    """A lease that another one took is in neither set."""
    renewed(held, clock, A, B, give_back=[B])
    renewed(held, clock, R)
    assert state(held) == ({R}, frozenset())
    assert not held.is_valid(A)


def test_gain_is_reported_before_it_is_assigned(clock):
    """What is kept of an account in memory is dropped before its worker starts; a renewal is no gain, a new epoch is."""
    seen = []
    held = HeldLeases(clock, lambda keys: seen.append((keys, held.assigned())))
    held.request([A, B])
    renewed(held, clock, A)
    renewed(held, clock, A, B)
    renewed(held, clock, A, B)
    renewed(held, clock, B, epoch=1)
    renewed(held, clock, A, B, epoch=2)
    assert seen == [({A}, frozenset()), ({B}, {A}), (frozenset(), {A, B}), (frozenset(), {A, B}), ({A, B}, {B})]


def test_each_request_that_changes_something_asks_for_work(clock):
    """The replica does not wait for its next renewal with what it can take now."""
    held = HeldLeases(clock)
    work = held.work()
    held.request([])
    assert not work.is_set()
    held.request([MAINTENANCE_LEASE])
    assert work.is_set()
    again = held.work()
    assert not again.is_set()
    held.request([MAINTENANCE_LEASE])
    assert not again.is_set()


def test_reports_are_written_once_and_again_by_the_next_holder(held, clock):
    """A report on what is held is written when it differs from what was written under the same epoch."""
    held.report(A, "1")
    held.report(B, "1")
    renewed(held, clock, A)
    assert held.unwritten_reports() == {A: "1"}
    held.reports_written({A: "1"})
    renewed(held, clock, A)
    assert held.unwritten_reports() == {}
    held.report(A, "2")
    assert held.unwritten_reports() == {A: "2"}
    held.reports_written({A: "2"})
    renewed(held, clock, A, epoch=2)
    assert held.unwritten_reports() == {A: "2"}
