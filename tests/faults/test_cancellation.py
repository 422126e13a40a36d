"""Cancelled at every await, what writes has written all or nothing, holds no lock, and can be gone on with; nothing is lost."""

from collections import Counter
from types import SimpleNamespace

import anyio
import pytest
from cancelling import at_every_await, by_its_scope, by_its_task
from delivery_world import DeliveryWorld, a_job
from receiving import receiving
from store_operations import OPERATIONS, Material, Trial, is_free, no_connection_is_left, select
from sweep_world import BEGAN, HOUR, SweepWorld

import tracker.store.sqlite.database.writer_connection
from tracker.core.ports.store import DatabaseUse
from tracker.polling.poller import Poller
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_store
from tracker.store.sqlite.database.aiosqlite_adapter import run
from tracker.store.sqlite.database.writer_connection import Database
from tracker.store.sqlite.writing.event_log import EventLog
from tracker.store.sqlite.writing.outbox import SqliteOutbox

PRUNED_AT_ONCE = 3
LEAST_AWAITS = 2
MANY_AWAITS = 15
BEYOND = 10**6
"""No work here comes to that many awaits."""


@pytest.fixture(scope="module")
async def material(tmp_path_factory):
    return await Material(tmp_path_factory.mktemp("material") / "tracker.db").make()


@pytest.mark.parametrize("cancelling", [by_its_scope, by_its_task])
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_an_operation_of_the_store(material, tmp_path, operation, cancelling, monkeypatch):
    """At whichever await it is cancelled no transaction is open, the change is whole or absent, and the next one works."""
    monkeypatch.setattr("tracker.store.sqlite.writing.delivery_retention._PRUNE_BATCH", PRUNED_AT_ONCE)
    places = await Trial(material, OPERATIONS[operation], tmp_path).run(cancelling)
    assert places.total() >= LEAST_AWAITS, places


@pytest.mark.parametrize("cancelling", [by_its_scope, by_its_task])
async def test_opening_the_store(material, cancelling):
    """At whichever await opening and closing are cancelled, no thread is left, and the file can be opened again at once."""

    async def opened():
        async with open_store(material.path) as store:
            await store.probe()

    async def attempt(at):
        awaits = await cancelling(at, opened)
        no_connection_is_left()
        is_free(material.path)
        async with open_store(material.path) as store:
            assert await store.probe() is None, awaits.hit
        return awaits

    assert (await at_every_await(attempt)).total() >= LEAST_AWAITS


class Delivering:
    """Four deliveries of two jobs, one of which is refused at first; a deliverer is cancelled, and another takes over."""

    def __init__(self, world, receiver):
        self._world, self._receiver = world, receiver
        self._refused = set()
        self.settled_late = 0  # what had come and was not settled, and came again
        receiver.answers = self._answer

    def _answer(self, _number, event):
        first = event["data"]["id"].endswith("-1") and event["id"] not in self._refused
        if first and event["type"] == "batch.created":
            self._refused.add(event["id"])
            return 503
        return 200

    async def attempt(self, at):
        world, seen_by_then = self._world, len(self._receiver.got)
        await world.record(*[a_job(f"job-{at}-{number}") for number in range(2)])
        awaits = await by_its_scope(at, world.deliverers["pipeline"].deliver_due)
        is_free(world.path)
        came = {event["id"] for event in self._receiver.got[seen_by_then:]}
        states = dict(await world.rows("id, state", f"deliveries JOIN events USING (seq) WHERE job LIKE 'job-{at}-_'"))
        assert set(states.values()) <= {"pending", "delivered"}, awaits.hit
        world.replace_deliverer()
        for _ in range(2):  # what is refused only now is delivered then
            world.now += 60_000
            await world.deliver()
        assert set(await world.rows("state")) == {("delivered",)}, awaits.hit
        self._look(states, came, self._receiver.got[seen_by_then:], awaits.hit)
        return awaits

    def _look(self, states, came, received, where):
        """Each has come, in its job's order; what had come and was not settled has come again, the same; nothing else has."""
        copies = Counter(event["id"] for event in received)
        late = {id_ for id_, state in states.items() if state == "pending" and id_ in came - self._refused}
        self.settled_late += len(late)
        for id_ in states:
            again = (id_ in self._refused) + (states[id_] == "pending")
            assert 1 + (id_ in late) <= copies[id_] <= 1 + again, f"{copies[id_]} of {id_}, cancelled at {where}"
        for job in {event["data"]["id"] for event in received}:
            types = dict.fromkeys(event["type"] for event in received if event["data"]["id"] == job)
            assert [*types] == ["batch.created", "batch.completed"], where


async def _delivered(folder):
    """Where a deliverer was cancelled, and what of it came twice."""
    async with (
        receiving() as receiver,
        DeliveryWorld(folder / "tracker.db", events=("*",)).with_receivers(pipeline=receiver.url) as world,
    ):
        delivering = Delivering(world, receiver)
        places = await at_every_await(delivering.attempt)
        _the_same_each_time(receiver)
    assert verify(world.path).differences == ()
    no_connection_is_left()
    return places, delivering.settled_late


def _the_same_each_time(receiver):
    bodies = {}
    for headers, body in zip(receiver.headers, receiver.bodies, strict=True):
        assert bodies.setdefault(headers["webhook-id"], body) == body


async def test_a_delivery(tmp_path):
    """At whichever await a deliverer is cancelled nothing is lost: what came and was not settled comes again, the same."""
    places, settled_late = await _delivered(tmp_path)
    assert places.total() > MANY_AWAITS
    assert settled_late


class Sweeping:
    """An account whose second sweep is cancelled, or its first; another poller takes over, as after a restart.

    Each attempt is an account of its own that is shown the same jobs at the same times.
    """

    def __init__(self, watched, cancelled):
        self._watched, self._cancelled = watched, cancelled
        self._account = ""
        watched.add(3)
        watched.add(2, created=20.0)
        ends = watched.add(3, created=5.0, fails_after=25.0) + watched.add(1, created=7.0, deleted_at=BEGAN + 30.0)
        assert len(ends) == 4

    async def attempt(self, at):
        self._account = f"account-{at}"
        poller, awaits = self._poller(), None
        for number, after in enumerate((15.0, 35.0, 50.0, 65.0, 100.0)):
            self._watched.at = BEGAN + after
            if number == self._cancelled:
                awaits = await by_its_scope(at, poller.poll_once)
                poller = self._poller()
            report = await poller.poll_once()
            assert report.failure is None
        return awaits

    def _poller(self):
        of = self._watched.poller
        return Poller(self._account, of.provider, of.store, backfill=7 * 24 * HOUR, now=self._watched._now)

    def log(self, path):
        """What the log says of each job of the account."""
        sql = "SELECT job, type, json_extract(body, '$.changes') FROM events WHERE account = ? ORDER BY job, seq"
        return select(path, sql, self._account)


async def _swept(folder, cancelled):
    """Where the sweep number `cancelled` was cancelled."""
    watched = SweepWorld(folder / "tracker.db")
    sweeping = Sweeping(watched, cancelled)
    logs = []

    async def attempt(at):
        awaits = await sweeping.attempt(at)
        is_free(watched.path)
        logs.append(sweeping.log(watched.path))
        assert logs[-1] == logs[0], awaits.hit
        return awaits

    async with watched.running():
        await attempt(BEYOND)
        assert {"batch.created", "batch.started", "batch.failed", "batch.deleted"} <= {type_ for _, type_, _ in logs[0]}
        places = await at_every_await(attempt)
    assert verify(watched.path).differences == ()
    no_connection_is_left()
    return places


@pytest.mark.slow
@pytest.mark.parametrize("cancelled", [0, 1], ids=["the first", "a later one"])
async def test_a_sweep(tmp_path, cancelled):
    """At whichever await a sweep is cancelled the log ends as if it had not been: nothing is missing or there twice."""
    places = await _swept(tmp_path, cancelled)
    assert places.total() > MANY_AWAITS


def _unshielded(monkeypatch):
    unshielded = SimpleNamespace(Lock=anyio.Lock, CancelScope=lambda **_: anyio.CancelScope())
    monkeypatch.setattr(tracker.store.sqlite.database.writer_connection, "anyio", unshielded)


def _in_hops(monkeypatch):
    async def write(database, what, work, use=DatabaseUse.WRITE):
        async with database.connected(what, use) as connection:
            await connection.execute("BEGIN IMMEDIATE")
            done = await run(connection, work)
            await connection.execute("COMMIT")
            return done

    monkeypatch.setattr(Database, "write", write)


def _goes_on_after_an_error(monkeypatch):
    _in_hops(monkeypatch)

    async def forget_nothing(_database):
        pass

    monkeypatch.setattr(Database, "close", Database._disconnect)
    monkeypatch.setattr(Database, "_disconnect", forget_nothing)


def _commits_early(monkeypatch):
    _in_hops(monkeypatch)
    append = EventLog.append

    def committed_halfway(log, connection, entries):
        appended = append(log, connection, entries)
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        return appended

    monkeypatch.setattr(EventLog, "append", committed_halfway)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "cancelling", "found"),
    [
        (_unshielded, by_its_scope, "a transaction is open|others were notified of something else"),
        (_goes_on_after_an_error, by_its_task, "a transaction is open"),
        (_commits_early, by_its_task, "half of it is there"),
    ],
)
async def test_a_store_that_can_be_cancelled_halfway_is_found(material, tmp_path, monkeypatch, bug, cancelling, found):
    """A transaction without its shield, one that is left open, and one that commits in its middle do not pass."""
    bug(monkeypatch)
    with pytest.raises(AssertionError, match=found):
        await Trial(material, OPERATIONS["record"], tmp_path).run(cancelling)
    no_connection_is_left()


@pytest.mark.slow
async def test_a_deliverer_that_settles_before_it_sends_is_found(tmp_path, monkeypatch):
    """An outbox that takes for delivered what was claimed loses a delivery at some await."""
    claim = SqliteOutbox.claim

    async def claimed_for_good(outbox, receiver, *how):
        found = await claim(outbox, receiver, *how)
        claimed = [(each.seq,) for each in found]
        settling = "UPDATE deliveries SET state = 'delivered' WHERE seq = ?"
        await outbox._log.write("claiming", lambda connection: connection.executemany(settling, claimed))
        return found

    monkeypatch.setattr(SqliteOutbox, "claim", claimed_for_good)
    with pytest.raises(AssertionError, match="0 of evt_"):
        await _delivered(tmp_path)


async def test_every_await_is_found():
    """Of work that waits three times itself, and twice in a task that it started, each is where it is cancelled once."""
    ended = []

    async def child():
        await anyio.sleep(0.001)
        await anyio.sleep(0.001)
        ended.append("child")

    async def work():
        await anyio.lowlevel.checkpoint()
        async with anyio.create_task_group() as group:  # waits for the child
            group.start_soon(child)
        await anyio.lowlevel.checkpoint()
        ended.append("work")

    for cancelling, of_its_own in ((by_its_scope, 5), (by_its_task, 3)):
        assert (await at_every_await(lambda at, way=cancelling: way(at, work))).total() == of_its_own
        assert ended.count("work") == 1, "it ends where nothing is left to cancel"
        ended.clear()
