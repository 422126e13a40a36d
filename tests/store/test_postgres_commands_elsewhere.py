"""A command of one process while another sends: two stores on one database, as the daemon and a command beside it have them."""

from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest
from job_changes import CHECKPOINT, SINCE, moved, progress, seen, seen_many
from outboxes import DELIVERED, EVERYTHING, FAILED, attempt, attempted, attempts_of, claimed, failing, rows, states
from tables import fetch

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN, Circuit
from tracker.core.deliveries.delivery import DeliveryPolicy, Outcome, Result
from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.queries.orphaned_deliveries import Dropped, Moved
from tracker.delivery.deliverer import Deliverer
from tracker.store.postgres.writing.store import open_postgres_store

NOW = SINCE + 1_000_000
GONE = msgspec.structs.replace(failing(1), reason="gone", disabled=True)
ALL_DEAD = Replay(receiver="pipeline", dead=True)


@pytest.fixture
async def store(postgres_address):
    """The store of the process that sends, with two deliveries that are due."""
    async with open_postgres_store(postgres_address, [EVERYTHING]) as store:
        await store.checkpoint("default", CHECKPOINT)
        await store.record("default", seen_many(2))
        yield store


@pytest.fixture
async def elsewhere(postgres_address):
    """The store of another process."""
    async with open_postgres_store(postgres_address, [EVERYTHING]) as store:
        yield store


COMMANDS = {
    "replay of one": lambda store: store.replay(Replay(receiver="pipeline", seq=1), NOW),
    "replay of the dead": lambda store: store.replay(ALL_DEAD, NOW),
    "replay of a range": lambda store: store.replay(Replay(receiver="pipeline", from_seq=1), NOW),
    "enable": lambda store: store.enable_receiver("pipeline", NOW),
}


@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
async def test_what_a_command_asked_is_not_settled_over(store, elsewhere, command):
    """An attempt of before it settles nothing until the circuit is read again, and then with what the command asked."""
    first, second = await claimed(store)
    await store.outbox.settle("pipeline", [attempted(first, FAILED, SINCE + 10, attempts=0)], GONE)
    assert await store.outbox.circuit("pipeline") == GONE
    await command(elsewhere)
    before = await rows(store, "*"), await attempts_of(store)
    settlement = attempted(second, Result.GONE, SINCE + 20)
    assert await store.outbox.settle("pipeline", [settlement], GONE) is None
    assert (await rows(store, "*"), await attempts_of(store)) == before
    circuit = await store.outbox.circuit("pipeline")
    assert circuit == msgspec.structs.replace(GONE, failures=FAILURES_TO_OPEN, disabled=False)
    assert await store.outbox.settle("pipeline", [settlement], circuit) is not None
    assert await store.outbox.circuit("pipeline") == circuit
    assert await attempts_of(store) == [(1, 1, "server"), (2, 1, "gone")]


@pytest.mark.parametrize(
    "command",
    [
        lambda store: store.replay(Replay(receiver="pipeline", seq=9), NOW),
        lambda store: store.replay(Replay(receiver="other", from_seq=1), NOW),
        lambda store: store.enable_receiver("other", NOW),
        lambda store: store.drop_deliveries("pipeline", dead=True),
        lambda store: store.prune(NOW),
    ],
    ids=["replay of nothing", "replay for another", "enabling another", "drop of the dead", "prune"],
)
async def test_what_concerns_no_attempt_of_the_receiver_holds_up_nothing(store, elsewhere, command):
    """Only a command that changes the receiver's circuit or its deliveries makes its process read again."""
    await store.outbox.circuit("pipeline")
    first, _ = await claimed(store)
    await command(elsewhere)
    assert await store.outbox.settle("pipeline", [attempted(first, DELIVERED, SINCE + 10)], Circuit()) == {1}


async def test_first_command_of_a_receiver_that_was_never_settled(store, elsewhere):
    """That there was no row of the receiver when its circuit was read hides no command since."""
    assert await store.outbox.circuit("pipeline") == Circuit()
    _, second = await claimed(store)
    await elsewhere.replay(Replay(receiver="pipeline", seq=2), NOW)
    assert await store.outbox.settle("pipeline", [attempted(second, FAILED, SINCE + 10)], failing(1)) is None
    assert await store.outbox.circuit("pipeline") == Circuit()
    assert await store.outbox.settle("pipeline", [attempted(second, FAILED, SINCE + 10)], failing(1)) == set()
    assert (await rows(store, "state, attempts, due_at, replays"))[1] == ("pending", 0, NOW, 1)


@pytest.mark.parametrize("result", [DELIVERED, FAILED, Result.GONE])
async def test_moved_while_it_was_under_way(store, elsewhere, result):
    """What another process gave to another receiver meanwhile is settled as nothing, and is sent there."""
    await store.outbox.circuit("pipeline")
    first, _ = await claimed(store)
    assert await elsewhere.move_deliveries("pipeline", "new", NOW) == Moved(moved=2, already=0)
    assert await store.outbox.settle("pipeline", [attempted(first, result, SINCE + 10)], failing(1)) == set()
    assert await rows(store, "seq, state, attempts, due_at", "new") == [(seq, "pending", 0, NOW) for seq in (1, 2)]
    assert await rows(store) == await attempts_of(store) == []


async def test_dropped_while_it_was_under_way(store, elsewhere):
    """What another process has dropped stays dropped, and nothing of it is kept."""
    await store.outbox.circuit("pipeline")
    first, _ = await claimed(store)
    assert await elsewhere.drop_deliveries("pipeline") == Dropped(dropped=2)
    assert await store.outbox.settle("pipeline", [attempted(first, DELIVERED, SINCE + 10)], Circuit()) == set()
    assert await rows(store) == await attempts_of(store) == []


@pytest.mark.parametrize(("result", "state"), [(DELIVERED, "delivered"), (FAILED, "superseded")])
async def test_progress_that_another_process_superseded_while_it_was_under_way(store, elsewhere, result, state):
    """The replica that polls the job supersedes what the one that serves the receiver is sending: as in one process."""
    change = seen("runs", status="RUNNING", total_requests=100)
    await store.record("default", [change])
    (change,) = [next(progress(change))]
    await store.record("default", [change])
    for seq in (3, 4):
        await attempt(store, seq, DELIVERED)
    (delivery,) = [each for each in await claimed(store) if each.seq == 5]
    await elsewhere.record("default", [moved(change, now=SINCE + 99, status="SUCCESS")])
    await store.outbox.settle("pipeline", [attempted(delivery, result, NOW)], Circuit())
    assert (await states(store))[-2:] == [state, "pending"]


async def test_a_command_of_more_rows_than_one_statement_changes(store, elsewhere, monkeypatch):
    """A replay or a move of any size is one transaction of bounded statements, with the same result."""
    for module in ("bounded_statements", "replay", "orphaned_deliveries"):
        monkeypatch.setattr(f"tracker.store.postgres.writing.{module}.BATCH_SIZE", 3)
    await store.record("default", seen_many(5, prefix="more"))
    for delivery in await claimed(store):
        await store.outbox.settle("pipeline", [attempted(delivery, FAILED, SINCE + 10, attempts=0)], failing(9))
    assert await elsewhere.replay(ALL_DEAD, NOW) == ReplayResult(deliveries=7)
    assert await elsewhere.replay(Replay(receiver="pipeline", from_seq=2, to_seq=7), NOW) == ReplayResult(deliveries=6)
    assert await rows(store, "seq, state, replays") == [(1, "pending", 1), *((seq, "pending", 2) for seq in range(2, 8))]
    assert await elsewhere.move_deliveries("pipeline", "new", NOW) == Moved(moved=7, already=0)
    assert await elsewhere.drop_deliveries("new") == Dropped(dropped=7)
    assert await fetch(store, "SELECT * FROM attempts") == []


class Notifier:
    """Each attempt takes the next of `outcomes` once it is set; `began` counts the attempts."""

    def __init__(self, *results):
        self.began = 0
        self.results = [*results]
        self.may_answer = anyio.Event()
        self.changed = anyio.Event()

    async def send(self, _deliveries):
        self.began += 1
        result = self.results[min(self.began, len(self.results)) - 1]
        self.changed.set()
        self.changed = anyio.Event()
        await self.may_answer.wait()
        return Outcome(result=result)

    async def wait_began(self, number):
        while self.began < number:
            await self.changed.wait()


@asynccontextmanager
async def delivering(store, notifier, outbox=None):
    """A deliverer that gets no notification of a command: as if it were late or lost."""
    policy = DeliveryPolicy(retry=(3600.0,), hold=900.0)
    deliverer = Deliverer(
        "pipeline", policy, notifier, outbox or store.outbox, store.wakeups, now=lambda: NOW, jitter=lambda: 0.5
    )
    async with anyio.create_task_group() as group:
        group.start_soon(deliverer.run)
        yield deliverer
        group.cancel_scope.cancel()


async def reached(store, wanted):
    """Return once the deliveries have these states."""
    while True:
        changed = store.wakeups.deliveries_changed("pipeline")
        if await states(store) == wanted:
            return
        await changed.wait()


@pytest.mark.parametrize("result", [FAILED, Result.GONE])
async def test_deliverer_goes_on_as_the_command_asked(store, elsewhere, result):
    """What was sent before a replay elsewhere fails, were it with 410: it counts for nothing, and all is sent again."""
    notifier = Notifier(result, result, DELIVERED)
    with anyio.fail_after(30):
        async with delivering(store, notifier):
            await notifier.wait_began(2)
            await elsewhere.replay(Replay(receiver="pipeline", from_seq=1), NOW)
            notifier.may_answer.set()
            await notifier.wait_began(4)
            await reached(store, ["delivered"] * 2)
    assert [attempt[1:] for attempt in await attempts_of(store)] == [(1, result.value), (2, "delivered")] * 2
    assert await store.outbox.circuit("pipeline") == Circuit()
