"""What becomes of verified messages that are too many, or about accounts of other replicas, on simulated time."""

import json
from types import SimpleNamespace

import anyio
import pytest
from prometheus_client import generate_latest
from simulated_time import SimulatedTime

from tracker.core.deliveries.signature_verification import TOLERANCE
from tracker.core.errors.storage_error import StorageError
from tracker.daemon.hint_dispatcher import FORWARD_GAP, MOST_FORWARDED, MOST_MESSAGES, MOST_WAITING, HintDispatcher
from tracker.metrics.vendor_webhooks import VendorWebhookMetrics
from tracker.polling.hint_queue import HintQueue


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio", {"loop_factory": SimulatedTime}


class Store:
    """Keeps what is sent to other replicas, and when."""

    def __init__(self):
        self.sent, self.fails = [], False

    def watch_hints(self, hinted):
        self.hinted = hinted

    async def send_hints(self, hints):
        if self.fails:
            raise StorageError("gone")
        self.sent.append((anyio.current_time(), hints))


class World:
    """A dispatcher of hints on a replica that polls the account `here`, and not `there`."""

    def __init__(self):
        self.store, self.queue, self.results, self.messages = Store(), HintQueue(), [], 0
        accounts = [SimpleNamespace(name=name, provider="gemini") for name in ("here", "there")]
        counting = SimpleNamespace(count=lambda _account, result: self.results.append(result))
        config = SimpleNamespace(accounts=accounts)
        self.dispatcher = HintDispatcher(self.store, {"here": self.queue}.get, lambda: config, counting)

    def receive(self, account, job, message_id=None):
        self.messages += 1
        body = json.dumps({"type": "batch.succeeded", "data": {"name": f"batches/{job}"}}).encode()
        self.dispatcher.received(account, message_id or f"message {self.messages}", body)


@pytest.fixture
async def world():
    world = World()
    async with anyio.create_task_group() as group:
        group.start_soon(world.dispatcher.run)
        yield world
        group.cancel_scope.cancel()


async def test_hints_of_other_replicas_accounts_are_forwarded_together(world):
    """The first at once, then a few together twice a second, each once while it waits."""
    world.receive("there", "first")
    await anyio.sleep(0.1)
    for number in range(MOST_FORWARDED + 2):
        world.receive("there", number)
        world.receive("there", number)
    await anyio.sleep(2)
    assert [(moment, len(hints)) for moment, hints in world.store.sent] == [
        (0.0, 1),
        (FORWARD_GAP, MOST_FORWARDED),
        (2 * FORWARD_GAP, 2),
    ]
    assert world.store.sent[0][1] == [("there", "batches/first")]
    assert world.results == ["forwarded", *["forwarded", "repeated"] * (MOST_FORWARDED + 2)]


async def test_a_flood_is_not_forwarded_whole(world):
    """What waits is bounded, and so are the notifications."""
    for number in range(1000):
        world.receive("there", number)
    await anyio.sleep(60)
    assert sum(len(hints) for _, hints in world.store.sent) == MOST_WAITING
    assert world.results == ["forwarded"] * MOST_WAITING + ["overflow"] * (1000 - MOST_WAITING)


async def test_what_cannot_be_forwarded_is_lost(world):
    """The database is away: the next sweep shows the same, and later hints arrive."""
    world.store.fails = True
    world.receive("there", "lost")
    await anyio.sleep(1)
    world.store.fails = False
    world.receive("there", "later")
    await anyio.sleep(1)
    assert [hints for _, hints in world.store.sent] == [[("there", "batches/later")]]


async def test_forwarded_hints_reach_the_queue_of_their_account(world):
    """Those of accounts that are polled elsewhere are left to others."""
    world.store.hinted([("there", "a"), ("nowhere", "b"), ("here", "c")])
    assert world.queue.take_due(10) == ["c"]


async def test_a_repetition_is_recognized_as_long_as_its_time_is_valid(world):
    """Longer than a message may be old; the same id for another account is another message."""
    world.receive("here", "a", "one")
    await anyio.sleep(2 * TOLERANCE - 1)
    world.receive("here", "a", "one")
    world.receive("there", "a", "one")
    await anyio.sleep(2)
    world.receive("here", "b", "one")
    assert world.results == ["accepted", "repeated", "forwarded", "accepted"]


async def test_the_memory_of_messages_is_bounded(world):
    """Of many messages the latest are remembered."""
    for number in range(2 * MOST_MESSAGES):
        world.receive("here", "a", f"id {number}")
    assert len(world.dispatcher._messages) == MOST_MESSAGES
    for number in (2 * MOST_MESSAGES - 1, 0):
        world.queue.take_due(10)
        await anyio.sleep(2)
        world.receive("here", "a", f"id {number}")
    assert world.results[-2:] == ["repeated", "accepted"]


def test_only_configured_accounts_are_counted():
    """A name that is not configured makes no series, and one that is gone has none."""
    metrics = VendorWebhookMetrics()
    metrics.configured(["one", "two"])
    metrics.count("two", "accepted")
    metrics.configured(["two"])
    metrics.count("invented", "refused")
    page = generate_latest(metrics).decode()
    assert ("one" in page.replace("none", ""), "invented" in page) == (False, False)
    assert 'batchtracker_hints_total{account="two",result="accepted"} 1.0' in page
