"""What any engine owes to those who wait for its commits."""

import anyio
import pytest
from job_changes import seen, with_the_id_of

from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import plain_event

DUE = 10
"""Seconds within which a signal that is due has come."""


async def come(*signals):
    """Return once all signals have been set."""
    with anyio.fail_after(DUE):
        for signal in signals:
            await signal.wait()


async def has_come(signal):
    with anyio.move_on_after(0.05):
        await signal.wait()
        return True
    return False


async def test_commit_that_logs_wakes_those_who_follow_the_log(with_receivers):
    """`log_grown` is set by records and by appended events, and not by a commit that logs nothing."""
    store, first = with_receivers, seen("a")
    grown = store.wakeups.log_grown()
    await store.record("default", [], watermark=5)
    assert not await has_come(grown)
    await store.record("default", [first])
    await come(grown)
    grown = store.wakeups.log_grown()
    with pytest.raises(StorageError):
        await store.record("default", [with_the_id_of(seen("bad"), first)])
    assert not await has_come(grown)
    await store.append([plain_event("account.unreachable", "default", {}, 1)])
    await come(grown)


async def test_deliverers_are_woken_by_name_or_all(with_receivers):
    """A signal is set once, for the receivers that are named, and for all where all are woken."""
    wakeups = with_receivers.wakeups
    pipeline, other = wakeups.deliveries_changed("pipeline"), wakeups.deliveries_changed("other")
    wakeups.wake_deliverers(["pipeline", "without a deliverer"])
    await come(pipeline)
    assert not await has_come(other)
    assert not await has_come(wakeups.deliveries_changed("pipeline"))
    again = wakeups.deliveries_changed("pipeline")
    wakeups.wake_all_deliverers()
    await come(again, other)


async def test_log_readers_are_woken(store):
    """All tasks that wait for the log to grow are woken, and a signal that is taken afterwards is a new one."""
    one, two = store.wakeups.log_grown(), store.wakeups.log_grown()
    store.wakeups.wake_log_readers()
    await come(one, two)
    assert not await has_come(store.wakeups.log_grown())


async def test_own_commands_are_not_those_of_another_process(with_receivers):
    """A deliverer of the process that runs a command knows of it already."""
    store, commanded = with_receivers, []
    store.watch_commands(commanded.append)
    await store.enable_receiver("pipeline", 1)
    assert not await has_come(store.wakeups.log_grown())
    assert commanded == []


async def test_own_hints_are_not_those_of_another_process(store):
    """The sender of a hint does not receive it."""
    hinted = []
    store.watch_hints(hinted.append)
    await store.send_hints([("default", "a")])
    assert not await has_come(store.wakeups.log_grown())
    assert hinted == []
