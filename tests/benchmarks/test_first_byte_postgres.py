"""How soon after a commit to PostgreSQL the first byte reaches a receiver: of the replica that commits, and of another one."""

from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import pytest
from delivery_world import DeliveryWorld
from first_byte import noting
from msgspec.structs import replace
from test_first_byte import BARE, bare, delivering

from tracker.core.replicas.lease import receiver_lease
from tracker.runtime.clock import now
from tracker.store.address import PostgresAddress
from tracker.store.opening import open_store

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

EVENTS = ("batch.created",)
EVERY = 0.02
"""Seconds from one event to the next."""

FILE, LOCAL, OTHER = "SQLite: Deliverer, woken by the commit", "Deliverer of the same replica", "Deliverer of another replica"
TARGET = 10
"""Times the hand-over within a process on a file: the notification has to come, and the row to be read from a server."""


@asynccontextmanager
async def served_by_another(world):
    """The receiver is served by a replica of its own, which hears of what the world's store commits by NOTIFY alone."""
    async with open_store(replace(world.path, replica="other")) as store:
        store.leases.request([receiver_lease("pipeline")])
        with anyio.fail_after(60):
            while not store.leases.is_valid(receiver_lease("pipeline")):
                await store.leases.changed().wait()
        recording, world.store = world.store, store
        world.replace_deliverer()
        world.store = recording
        yield


@pytest.mark.parametrize("events", [50, pytest.param(1000, marks=pytest.mark.long)])
async def test_commit_to_first_byte_at_another_replica(compare, postgres_server, migrated_template, tmp_path, events):
    """Each event is heard of at once, also where another replica serves the receiver: within ten times the local hand-over."""
    comparison = compare("PostgreSQL: commit to first byte, 50 a second")
    async with noting() as url, bare(url) as wake, AsyncExitStack() as stack:
        worlds = {FILE: DeliveryWorld(tmp_path / "tracker.db", events=EVENTS, clock=now)}
        for way in (LOCAL, OTHER):
            address = PostgresAddress(url=postgres_server.url(postgres_server.create_database(migrated_template)), replica="a")
            worlds[way] = DeliveryWorld(address, events=EVENTS, clock=now)
        for world in worlds.values():
            await stack.enter_async_context(world.with_receivers(pipeline=url))
        await stack.enter_async_context(served_by_another(worlds[OTHER]))
        records = {way: await stack.enter_async_context(delivering(world)) for way, world in worlds.items()}
        for number in range(events):
            comparison.record(BARE, await wake())
            for way, record in records.items():
                comparison.record(way, await record(number))
                await anyio.sleep(EVERY)  # until what follows is settled, for which the next one would wait
    assert comparison.ratio(OTHER, FILE) < 10 * TARGET
