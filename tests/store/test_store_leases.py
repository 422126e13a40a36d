"""What any engine owes to the workers of one process that no other process shares the database with."""

import time

import anyio
import pytest

from tracker.core.replicas.lease import MAINTENANCE_LEASE, account_lease, receiver_lease

DUE = 10
"""Seconds within which a lease that no other process holds is assigned."""

WANTED = frozenset({account_lease("default"), receiver_lease("default"), MAINTENANCE_LEASE})


async def until(leases, condition):
    """Return once `condition()` holds; it is tried at each change of the leases."""
    with anyio.fail_after(DUE):
        while True:
            changed = leases.changed()
            if condition():
                return
            await changed.wait()


async def test_all_that_is_requested_is_assigned(store):
    """A process alone is assigned what it requests, an account and a receiver of one name apart, and holds it."""
    leases = store.leases
    assert leases.assigned() == leases.releasing() == frozenset()
    leases.request(WANTED)
    await until(leases, lambda: leases.assigned() == WANTED)
    assert all(leases.is_valid(key) for key in WANTED)
    assert leases.releasing() == frozenset()


async def test_what_is_no_longer_requested_is_given_back_once_it_is_released(store):
    """A lease that is no longer wanted is to be released; until it is, its worker may still use it."""
    leases, account = store.leases, account_lease("default")
    leases.request(WANTED)
    await until(leases, lambda: leases.assigned() == WANTED)
    leases.request(WANTED - {account})
    await until(leases, lambda: leases.releasing() == {account})
    assert leases.assigned() == WANTED - {account}
    assert leases.is_valid(account)
    await leases.release(account)
    assert leases.releasing() == frozenset()
    assert leases.assigned() == WANTED - {account}


async def test_what_is_requested_again_is_assigned_once_it_was_released(store):
    """A lease that is wanted again while its worker stops is assigned only after that worker has stopped."""
    leases, account = store.leases, account_lease("default")
    for wanted in (WANTED, WANTED - {account}, WANTED):
        leases.request(wanted)
        await until(leases, lambda: leases.assigned() | leases.releasing() == WANTED)
    assert leases.releasing() == {account}
    await leases.release(account)
    await until(leases, lambda: leases.assigned() == WANTED)


async def test_release_of_what_is_assigned_changes_nothing(store):
    """Only a lease that is to be given back is given back."""
    leases, changes = store.leases, []
    leases.request(WANTED)
    await until(leases, lambda: leases.assigned() == WANTED)
    changes.append(leases.changed())
    await leases.release(account_lease("default"))
    await leases.release(account_lease("unknown"))
    assert leases.assigned() == WANTED
    assert changes == [leases.changed()]


async def test_leases_are_shared_out_among_processes_only(store, engine):
    """A reader shows the replicas that share the database, and what each holds; a store that joined none shows none."""
    store.leases.report(account_lease("default"), '{"healthy": true}')
    async with engine.reader() as reader:
        replicas, leases = await reader.replicas(), await reader.leases()
    held = {(lease["kind"], lease["name"]) for lease in leases if lease["holder"] is not None}
    assert held <= {(key.kind, key.name) for key in WANTED}
    assert len(replicas) <= 1


async def test_clock_of_the_store_is_the_wall_clock(store):
    """`now` gives Unix milliseconds, and on one machine agrees with the machine's clock."""
    assert store.now() == pytest.approx(time.time() * 1000, abs=DUE * 1000)
