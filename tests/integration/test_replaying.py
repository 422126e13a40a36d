"""Replaying while the daemon delivers: it looks again how a receiver is, is woken, and settles nothing meanwhile."""

import time
from contextlib import asynccontextmanager

import anyio
import pytest
from loopback import unreachable_url
from receiving import receiving
from storage_engines import open_any_store
from tables import fetch

from tracker.config import Account, Config, Http, Listen, Secret, Storage
from tracker.core.deliveries.delivery import DeliveryPolicy, Outcome, Result
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.events.job_diff import first_seen
from tracker.core.jobs.job_reading import read_job
from tracker.core.queries.filters import DeliveryFilter
from tracker.daemon.control.control_client import Refused, request_replay
from tracker.daemon.control.control_file import control_file_path
from tracker.daemon.startup import open_daemon
from tracker.delivery.deliverer import Deliverer
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver
from tracker.store.opening import open_reader, open_store

ENDS = Subscription(receiver="pipeline", events=("batch.completed",))
COUNTERS = ("total_requests", "completed_requests", "succeeded_requests", "failed_requests")


def now():
    return time.time_ns() // 1_000_000


async def log_ends(store, *ids):
    """Log jobs that are over: a created and a completed event each, of which one is delivered."""
    jobs = [read_job({"id": id_, "status": "SUCCESS", "created_at": 1} | dict.fromkeys(COUNTERS, 0)) for id_ in ids]
    await store.record("default", [first_seen("default", job, now()) for job in jobs])


@asynccontextmanager
async def running(database, url, **http):
    """The daemon over this database, with one receiver, and an unreachable API."""
    receiver = WebhookReceiver(name="pipeline", url=Secret(url), retry=(3600.0,), timeout=5.0)
    with unreachable_url() as api:
        account = Account(name="default", api_key=Secret("key"), base_url=api, poll_interval=3600.0)
        config = Config(
            source=None,
            storage=Storage(database),
            http=Http(listen=(Listen(port=0),), **http),
            accounts=(account,),
            receivers=(receiver,),
        )
        async with open_daemon(config):
            yield


async def settled(database, enough):
    """All deliveries, once there is `enough` of them."""
    with anyio.fail_after(30):
        async with open_reader(database) as reader:
            while not enough(found := await reader.deliveries((0, ""), DeliveryFilter())):
                await reader.wait_for_change()
            return found


@pytest.mark.parametrize("token", [None, Secret("page-token")])
async def test_receiver_that_was_gone_is_reported_by_the_running_daemon(tmp_path, token):
    """What answered 410 is enabled through the daemon: its backlog arrives at once, one delivery first, with its own ids."""
    database, well = tmp_path / "tracker.db", False
    async with receiving(lambda *_: 204 if well else 410) as receiver:
        async with open_store(database, [ENDS]) as store:
            await log_ends(store, "a")
        async with running(database, receiver.url, token=token):
            await settled(database, lambda found: found[0]["attempts"])
            well = True
            which = Replay(receiver="pipeline", dead=True)
            assert await request_replay(database, which) == ReplayResult(deliveries=0, enabled=True)
            (delivery,) = await settled(database, lambda found: found[0]["state"] == "delivered")
        assert [attempt["result"] for attempt in delivery["attempts"]] == ["gone", "delivered"]
        assert receiver.bodies[0] == receiver.bodies[1]
        assert not control_file_path(database).exists()


async def test_range_is_delivered_by_the_running_daemon(tmp_path):
    """A range goes out at once, in its order, to a receiver that had it before or never was meant to have it."""
    database = tmp_path / "tracker.db"
    async with receiving() as receiver:
        async with open_store(database, [ENDS]) as store:
            await log_ends(store, "a", "b")
        async with running(database, receiver.url):
            await receiver.wait_for(2)
            await settled(database, lambda found: {each["state"] for each in found} == {"delivered"})
            assert await request_replay(database, Replay(receiver="pipeline", from_seq=1)) == ReplayResult(deliveries=4)
            await receiver.wait_for(6)
        again = receiver.got[2:]
        assert sorted(event["seq"] for event in again) == [1, 2, 3, 4]
        for id_ in ("a", "b"):
            types = [event["type"] for event in again if event["data"]["id"] == id_]
            assert types == ["batch.created", "batch.completed"]


async def test_daemon_names_the_receivers_that_there_are(tmp_path):
    """A receiver that the daemon does not know is refused with those that it does."""
    database = tmp_path / "tracker.db"
    async with receiving() as receiver, running(database, receiver.url):
        got = await request_replay(database, Replay(receiver="other", dead=True))
    assert got == Refused("no receiver 'other' in the configuration; there are: pipeline", is_unknown=True)


class Notifier:
    """Answers each delivery with its result in `came_of`, once `may_answer` has set it."""

    def __init__(self):
        self.began = anyio.Event()
        self.came_of = {}

    def may_answer(self, id_, result):
        self.came_of.setdefault(id_, [anyio.Event(), None])[1] = result
        self.came_of[id_][0].set()

    async def send(self, deliveries):
        id_ = deliveries[0].stream.partition("/")[2]
        answer = self.came_of.setdefault(id_, [anyio.Event(), None])
        if len(self.came_of) == 2:
            self.began.set()
        await answer[0].wait()
        return Outcome(result=answer[1], detail="said")


@asynccontextmanager
async def two_under_way(database, on_settled=lambda _settlement: None):
    """A store and a deliverer that has sent the ends of `a` and `b`, and waits for what comes of them."""
    async with open_any_store(database, [ENDS]) as store, anyio.create_task_group() as group:
        await log_ends(store, "a", "b")
        notifier = Notifier()
        policy = DeliveryPolicy(retry=(3600.0,), hold=900.0)
        deliverer = Deliverer(
            "pipeline", policy, notifier, store.outbox, store.wakeups, now=now, jitter=lambda: 0.5, on_settled=on_settled
        )
        group.start_soon(deliverer.run)
        await notifier.began.wait()
        yield store, deliverer, notifier
        group.cancel_scope.cancel()


@pytest.mark.parametrize("result", [Result.SERVER, Result.GONE])
async def test_what_fails_after_a_receiver_was_enabled_does_not_disable_it_again(database, result):
    """An attempt of before the command that fails, were it with 410, says nothing of the receiver that was enabled since."""
    with anyio.fail_after(30):
        async with two_under_way(database) as (store, deliverer, notifier):
            notifier.may_answer("a", Result.GONE)
            await settled(database, lambda found: found[0]["attempts"])
            assert (await store.outbox.circuit("pipeline")).disabled
            async with deliverer.paused():
                assert (await store.replay(Replay(receiver="pipeline", dead=True), now())).enabled
            notifier.may_answer("a", Result.DELIVERED)
            notifier.may_answer("b", result)
            notifier.came_of["b"] = [anyio.Event(), None]  # what is sent after the command waits
            first, _ = await settled(database, lambda found: found[1]["attempts"] and found[0]["state"] == "delivered")
            assert [attempt["result"] for attempt in first["attempts"]] == ["gone", "delivered"]
            assert not (await store.outbox.circuit("pipeline")).disabled


async def test_replayed_delivery_whose_first_attempt_fails_is_tried_at_once(database):
    """A replay while the first attempt is under way promises an attempt now: its failure does not lead to the old schedule."""
    settlements = []
    with anyio.fail_after(30):
        async with two_under_way(database, settlements.append) as (store, deliverer, notifier):
            async with deliverer.paused():
                assert (await store.replay(Replay(receiver="pipeline", seq=2), now())).deliveries == 1
            notifier.may_answer("a", Result.SERVER)
            notifier.came_of["a"] = [anyio.Event(), None]
            notifier.may_answer("a", Result.DELIVERED)
            first, _ = await settled(database, lambda found: found[0]["state"] == "delivered")
            assert [attempt["result"] for attempt in first["attempts"]] == ["server", "delivered"]
    assert [(each.state, each.due_at == each.ended_at) for each in settlements] == [("pending", True), ("delivered", True)]


async def test_nothing_is_settled_while_the_deliverer_steps_aside(database):
    """What comes of an attempt meanwhile is settled afterwards."""
    with anyio.fail_after(30):
        async with two_under_way(database) as (store, deliverer, notifier):
            async with deliverer.paused():
                notifier.may_answer("a", Result.DELIVERED)
                for _ in range(20):  # the store serves in turn: who asks once more than others has seen what they did
                    rows = await fetch(store, "SELECT state FROM deliveries")
                assert [state for (state,) in rows] == ["pending", "pending"]
            await settled(database, lambda found: found[0]["state"] == "delivered")


class CommandMeanwhile:
    """The outbox of a store: the last of `calls` ends after another process has enabled the receiver.

    With each of them the deliverer is notified of a command.
    """

    def __init__(self, store, *calls):
        self._store, self._calls = store, [*calls]
        self.deliverer = None

    def __getattr__(self, name):
        call = getattr(self._store.outbox, name)

        async def called(*arguments):
            result = await call(*arguments)
            if self._calls and self._calls[0] == name:
                self._calls.pop(0)
                if not self._calls:
                    assert await self._store.enable_receiver("pipeline", now())
                self.deliverer.command_changed()
            return result

        return called


@pytest.mark.parametrize("calls", [["settle"], ["settle", "circuit"]], ids=["settled", "read"])
async def test_command_that_comes_while_the_circuit_is_settled_or_read(database, calls):
    """A circuit that may be older than a command is read again: else its worker would never send to an enabled receiver."""
    outcomes = [Result.GONE, Result.DELIVERED]

    class Answering:
        async def send(self, _deliveries):
            return Outcome(result=outcomes.pop(0))

    async with open_any_store(database, [ENDS]) as store, anyio.create_task_group() as group:
        await log_ends(store, "a")
        outbox = CommandMeanwhile(store, *calls)
        outbox.deliverer = Deliverer(
            "pipeline",
            DeliveryPolicy(retry=(3600.0,), hold=900.0),
            Answering(),
            outbox,
            store.wakeups,
            now=now,
            jitter=lambda: 0.5,
        )
        group.start_soon(outbox.deliverer.run)
        await settled(database, lambda found: found[0]["state"] == "delivered")
        group.cancel_scope.cancel()
