"""A deliverer that is stopped: attempts under way are settled, no other begins, and its successor continues there."""

import itertools
from contextlib import asynccontextmanager

import anyio
import pytest
from delivery_world import DeliveryWorld, a_job
from slack_events import delivery
from slack_standin import slack

from tracker.core.deliveries.adaptive_concurrency_per_receiver import MAX_CONCURRENCY
from tracker.core.deliveries.delivery import DeliveryPolicy, Outcome, Result
from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.notifier import AttemptCancelled
from tracker.delivery.deliverer import Deliverer
from tracker.delivery.notifiers.slack.incoming_webhook import SlackWebhook
from tracker.http.client import http_client, tls_context
from tracker.http.rate_limiter import RateLimiter
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.liveness import Loop

LIFE = 20.0


class Slow:
    """A notifier whose attempts take until `answer` is set, the first until `first` is, or are withdrawn."""

    def __init__(self):
        self.sent, self.answer, self.first, self.withdrawn = [], anyio.Event(), anyio.Event(), False
        self.full = anyio.Event()

    def answers(self):
        self.first.set()
        self.answer.set()

    async def send(self, message):
        self.sent += [delivery.seq for delivery in message]
        if len(self.sent) == MAX_CONCURRENCY:
            self.full.set()
        await (self.first if message[0].seq == self.sent[0] else self.answer).wait()
        if self.withdrawn:
            raise AttemptCancelled
        return Outcome(result=Result.DELIVERED, status=204)


@asynccontextmanager
async def opened_world(database):
    """A store with 20 pending deliveries, a notifier, and deliverers to be run."""
    world = DeliveryWorld(database)
    async with world.with_receivers(pipeline="http://127.0.0.1:1"):
        await world.record(*[a_job(f"job-{number}") for number in range(20)])
        world.slow, world.loop = Slow(), Loop()
        world.deliverer = lambda: Deliverer(
            "pipeline",
            DeliveryPolicy(retry=(5.0,), hold=900.0),
            world.slow,
            world.store.outbox,
            world.store.wakeups,
            now=world.clock,
            jitter=lambda: 0.5,
            heartbeat=Heartbeat(world.loop),
        )
        with anyio.fail_after(LIFE):
            yield world


@asynccontextmanager
async def leaving(world):
    """A deliverer with the most attempts under way is stopped; at the end of the context it has ended."""
    deliverer = world.deliverer()
    async with anyio.create_task_group() as group:
        group.start_soon(deliverer.run)
        await world.slow.full.wait()
        deliverer.stop()
        yield


async def states(world):
    return [state for (state,) in await world.rows("state")]


async def test_what_is_under_way_is_settled_and_nothing_else_begins(database):
    """Sixteen attempts are waited for; the other four are left to the successor, who sends none of the sixteen."""
    async with opened_world(database) as world:
        async with leaving(world):
            await anyio.wait_all_tasks_blocked()
            assert await states(world) == ["pending"] * 20
            world.slow.answers()
        assert sorted(await states(world)) == ["delivered"] * 16 + ["pending"] * 4
        sent = list(world.slow.sent)
        await world.deliverer().deliver_due()
        assert await states(world) == ["delivered"] * 20
        assert len(set(world.slow.sent)) == len(world.slow.sent) == 20
        assert world.slow.sent[:16] == sent


async def test_withdrawn_attempt_counts_as_none(database):
    """What was withdrawn before it was sent is pending as before, without an attempt, and the deliverer ends."""
    async with opened_world(database) as world:
        async with leaving(world):
            world.slow.withdrawn = True
            world.slow.answers()
        assert await world.rows("state, attempts") == [("pending", 0)] * 20
        assert await world.rows("seq", "attempts") == []


async def test_leaving_before_it_began_is_leaving(database):
    """A deliverer that is stopped before it runs sends nothing."""
    async with opened_world(database) as world:
        leaving = world.deliverer()
        leaving.stop()
        await leaving.run()
        assert world.slow.sent == []


async def test_idle_one_leaves_at_once(database):
    """A deliverer that sleeps until something is due, here for an hour, need not be waited for."""
    async with opened_world(database) as world:
        world.slow.answers()
        leaving = world.deliverer()
        async with anyio.create_task_group() as group:
            group.start_soon(leaving.run)
            while await states(world) != ["delivered"] * 20 or world.loop.expected_at < anyio.current_time() + 3000:
                await anyio.wait_all_tasks_blocked()
            leaving.stop()


def failing(monkeypatch, outbox, step, times):
    """Have `step` of the outbox fail `times` times; set once it has been asked for again."""
    monkeypatch.setattr("tracker.delivery.deliverer.PAUSE_AFTER_STORAGE_ERROR", 0.01)
    carry_out, failures, again = getattr(outbox, step), itertools.count(), anyio.Event()

    async def fails(*arguments):
        if next(failures) < times:
            raise StorageError("planted")
        again.set()
        return await carry_out(*arguments)

    monkeypatch.setattr(outbox, step, fails)
    return again


async def test_what_was_sent_is_settled_before_it_goes_though_the_store_fails(database, monkeypatch):
    """As long as what became of an attempt cannot be written the deliverer stays, sends nothing, and writes it in the end."""
    async with opened_world(database) as world:
        again = failing(monkeypatch, world.store.outbox, "settle", 2)
        async with leaving(world):
            world.slow.answers()
        assert again.is_set()
        assert sorted(await states(world)) == ["delivered"] * 16 + ["pending"] * 4
        assert len(set(world.slow.sent)) == len(world.slow.sent) == 16


@pytest.mark.parametrize("step", ["settle", "claim"])
async def test_what_is_under_way_outlives_a_store_that_fails(database, monkeypatch, step):
    """An attempt that waits for its answer while something else cannot be read or written is not sent again for that."""
    async with opened_world(database) as world, anyio.create_task_group() as group:
        group.start_soon(world.deliverer().run)
        await world.slow.full.wait()
        again = failing(monkeypatch, world.store.outbox, step, 1)
        world.slow.first.set()
        await again.wait()
        world.slow.answers()
        while await states(world) != ["delivered"] * 20:
            await anyio.wait_all_tasks_blocked()
        assert len(set(world.slow.sent)) == len(world.slow.sent) == 20
        group.cancel_scope.cancel()


async def test_slack_message_that_waits_for_its_turn_is_withdrawn():
    """A message that had not gone out when its pace was closed never does, however long Slack had asked to be left in peace."""
    rate_limiter = RateLimiter(1)
    rate_limiter.pause(3600)
    async with slack() as standin, http_client(tls_context()) as http, anyio.create_task_group() as group:
        webhook = SlackWebhook(http, standin.hook_url, rate_limiter=rate_limiter, timeout=5.0, now=lambda: 0)
        group.start_soon(_close_once_blocked, rate_limiter)
        with anyio.fail_after(LIFE), pytest.raises(AttemptCancelled):
            await webhook.send([delivery(4, "batch.completed", done=90)])
        assert standin.calls == []


async def _close_once_blocked(rate_limiter):
    await anyio.wait_all_tasks_blocked()
    rate_limiter.close()
