"""A write that was decided under a lease is refused once that was lost, even where this process holds it again."""

import anyio
import pytest
from job_changes import CHECKPOINT, seen

from tracker.core.errors.lease_lost_error import LeaseLostError
from tracker.core.events.event import plain_event
from tracker.core.replicas.lease import MAINTENANCE_LEASE, account_lease
from tracker.store.opening import open_reader, open_store

LONG = 30.0
"""Seconds; ends a hang."""

ACCOUNT = account_lease("default")
WRITES = {
    "record": (ACCOUNT, lambda store: store.record("default", [seen()])),
    "append": (ACCOUNT, lambda store: store.append([plain_event("account.unreachable", "default", {}, 1)])),
    "append about a receiver": (
        MAINTENANCE_LEASE,
        lambda store: store.append([plain_event("receiver.failing", "", {"receiver": "pipeline"}, 1)]),
    ),
}


async def until(leases, condition):
    while not condition():
        changed = leases.changed()
        if not condition():
            await changed.wait()


@pytest.mark.parametrize(("lease", "write"), WRITES.values(), ids=WRITES)
async def test_write_that_waited_while_the_lease_was_lost_and_regained_is_refused(postgres_address, lease, write):
    """Another replica may have written meanwhile: what waits for its turn is of before, and its worker knows nothing of it."""
    refused = []
    with anyio.fail_after(LONG):
        async with open_store(postgres_address) as store:
            store.leases.request({ACCOUNT, lease})
            await until(store.leases, lambda: {ACCOUNT, lease} <= store.leases.assigned())
            await store.checkpoint("default", CHECKPOINT)
            epoch, may_go_on, is_busy = store.leases.epoch(lease), anyio.Event(), anyio.Event()

            async def keep_busy(_connection):
                is_busy.set()
                await may_go_on.wait()

            async def wait_for_turn():
                with pytest.raises(LeaseLostError):
                    await write(store)
                refused.append(True)

            async with anyio.create_task_group() as group:
                group.start_soon(store.database.read, "keeping busy", keep_busy)
                await is_busy.wait()
                group.start_soon(wait_for_turn)
                await anyio.wait_all_tasks_blocked()
                store.leases.lose_all()
                store.leases.ask_for_work()
                await until(store.leases, lambda: store.leases.epoch(lease) not in (None, epoch))
                may_go_on.set()
            assert refused
            async with open_reader(postgres_address) as reader:
                assert [*await reader.jobs()] == []
            await write(store)
