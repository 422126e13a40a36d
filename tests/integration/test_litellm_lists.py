"""A LiteLLM proxy that manages batches itself: only the newest hundred can be listed, whatever is asked for behind them."""

from contextlib import asynccontextmanager

import pytest
from moving_api import new_job, stepped
from openai_batches import LITELLM
from storage_engines import open_any_store

from tracker.core.errors.provider_failure import Reason
from tracker.polling.poller import Poller
from tracker.polling.recorder import Callbacks
from tracker.providers.retrying import RetryingProvider, RetryPolicy

BEGAN = 1_750_000_000
HOUR = 3600
SWEEPS = 20
"""Those in which each active job that no page shows is asked for."""


class Proxy:
    """Sweeps of a proxy, each with its report and the events that it logged."""

    def __init__(self, store, batches, backfill):
        self.api, self._events = LITELLM.api(BEGAN), []
        self.api.page_limit = 100
        for number in range(batches):  # one a minute, up to now
            self.create(number, BEGAN - 60 * (batches - number))
        provider = RetryingProvider(self.api, lambda: 0.5, RetryPolicy(attempts=1))
        callbacks = Callbacks(
            recorded=lambda changes: self._events.extend(each for change in changes for each in change.events)
        )
        self._poller = Poller(
            "default", provider, store, backfill=backfill, now=lambda: self.api.clock * 1000, callbacks=callbacks
        )

    def create(self, number, at):
        self.api.put(stepped(new_job(f"batch-{number:04}", at), "RUNNING", at))

    def end(self, number):
        self.api.put(stepped(self.api.jobs[f"batch-{number:04}"], "SUCCESS", self.api.clock))

    async def sweep(self):
        self.api.clock += 15
        self._events.clear()
        self.api.asked.clear()
        return await self._poller.poll_once()

    def logged(self, type_):
        return sorted(event.data["id"] for event in self._events if event.type == type_)


@asynccontextmanager
async def proxy(database, **settings):
    async with open_any_store(database) as store:
        yield Proxy(store, **settings)


@pytest.mark.parametrize(("batches", "backfill"), [(99, 24 * HOUR), (250, 80 * 60)])
async def test_batches_that_fit_a_page_are_followed_to_their_ends(database, batches, backfill):
    """Sweeps are complete, also once newer batches have moved some behind the first page: these are asked for by ID in turn."""
    async with proxy(database, batches=batches, backfill=backfill) as world:
        assert (await world.sweep()).failure is None
        known = min(batches, 80) if backfill < 24 * HOUR else batches
        assert len(world.logged("batch.created")) >= known
        for number in range(batches, batches + 60):
            world.create(number, world.api.clock)
        assert (await world.sweep()).failure is None
        assert {f"batch-{number:04}" for number in range(batches, batches + 60)} <= {*world.logged("batch.created")}
        world.end(batches - 1)  # on the first page
        world.end(batches - 70)  # no longer
        completed = []
        for _ in range(SWEEPS):
            assert (await world.sweep()).failure is None
            completed += world.logged("batch.completed")
        assert sorted(completed) == [f"batch-{batches - 70:04}", f"batch-{batches - 1:04}"]


async def test_batches_that_cannot_be_listed_are_said_to_be_missing(database):
    """With more than a page within `backfill` no sweep is complete, which it says; what it could see is followed."""
    async with proxy(database, batches=250, backfill=24 * HOUR) as world:
        report = await world.sweep()
        assert report.failure.reason is Reason.INCOMPLETE
        seen = len(world.logged("batch.created"))
        assert 100 < seen < 250
        world.end(249)
        assert (await world.sweep()).failure.reason is Reason.INCOMPLETE
        assert world.logged("batch.completed") == ["batch-0249"]
