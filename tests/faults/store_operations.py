"""Owns the operations of the store, each on copies of one database: as it is meant to be, and then cancelled at each await."""

import shutil
import sqlite3
import threading
from contextlib import asynccontextmanager, closing

import anyio
from archiving import SAID, ended, missing_file, results_of
from cancelling import WITHIN, at_every_await, by_its_scope
from job_changes import CHECKPOINT, SINCE, moved, seen, seen_many
from outboxes import EVERYTHING, FAILED, FOREVER, attempted, claimed, failing
from storage_engines import open_any_store

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Result
from tracker.core.deliveries.replay import Replay
from tracker.core.events.event import plain_event
from tracker.core.events.time_limits import UNREACHABLE
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_store


class Material:
    """A database with a bit of everything, and what is to be done to copies of it, the same each time."""

    def __init__(self, path):
        self.path = path
        self.changes = []
        self.event = plain_event(UNREACHABLE, "default", {"reason": "network"}, SINCE)
        self.turn = plain_event("receiver.recovered", "", {"receiver": "pipeline"}, SINCE)
        self.settlements = []
        self.results = None

    async def make(self):
        """Of eight deliveries four were delivered long ago, one is dead, one has failed once; the receiver is failing."""
        async with open_any_store(self.path, [EVERYTHING]) as store:
            await store.checkpoint("default", CHECKPOINT)
            first = seen_many(8)
            await store.record("default", first)
            deliveries = await claimed(store)
            ends = [attempted(each, Result.DELIVERED, SINCE) for each in deliveries[:4]]
            ends += [attempted(deliveries[4], FAILED, SINCE, attempts=0), attempted(deliveries[5], FAILED, SINCE)]
            await store.outbox.settle("pipeline", ends, failing(9))
            self.changes = [moved(first[6], status="RUNNING"), *seen_many(3, "new", status="RUNNING")]
            self.settlements = [attempted(each, Result.DELIVERED, SINCE + 10) for each in await claimed(store, hold=FOREVER)]
            assert len(self.settlements) == 3
            store.archive.enable(["default"])
            last = [ended(f"ended-{number}", error="err") for number in range(3)]
            await store.record("default", last)
            await store.archive.record(results_of(last[0], missing=(missing_file(),)))
            self.results = results_of(last[1], missing=(missing_file(),), **SAID)
        return self


async def _record_ends(store):
    """Three ends with their archive tasks."""
    store.archive.enable(["default"])
    await store.record("default", [ended(f"late-{number}") for number in range(3)])


OPERATIONS = {
    "checkpoint": lambda store, _: store.checkpoint("another", CHECKPOINT),
    "record": lambda store, material: store.record("default", material.changes, 100),
    "record of ends with files": lambda store, _: _record_ends(store),
    "append": lambda store, material: store.append([material.event]),
    "settle": lambda store, material: store.outbox.settle(
        "pipeline", material.settlements, Circuit(), lambda _: [material.turn]
    ),
    "claim": lambda store, _: store.outbox.claim("pipeline", SINCE, 900.0, 100, ()),
    "replay of the dead": lambda store, _: store.replay(Replay(receiver="pipeline", dead=True), SINCE),
    "replay of a range": lambda store, _: store.replay(Replay(receiver="pipeline", from_seq=2), SINCE),
    "enable": lambda store, _: store.enable_receiver("pipeline", SINCE),
    "prune": lambda store, _: store.prune(SINCE + 1),
    "card": lambda store, _: store.job_messages.put("slack", "default/job-1", "{}"),
    "probe": lambda store, _: store.probe(),
    "claim of archive tasks": lambda store, _: store.archive.claim("default", SINCE * 2, 9, ()),
    "failed archive task": lambda store, _: store.archive.fail("default", "ended-1", SINCE, "server", "HTTP 503"),
    "results": lambda store, material: store.archive.record(material.results),
    "forgotten files": lambda store, _: store.archive.forget_files("default", "ended-0", SINCE),
    "drop of archive tasks": lambda store, _: store.archive.drop_disabled(SINCE + 1),
    "active": lambda store, _: store.active_jobs("default"),
}


class Trial:
    """One operation on copies of the database: as it is meant to be, and then cancelled at each of its awaits."""

    def __init__(self, material, operation, folder):
        self._material, self._operation, self._folder = material, operation, folder
        self._copies = 0

    async def run(self, cancelling):
        """Where it was cancelled."""
        self._cancelling = cancelling
        self._states = [_content(self._material.path)]  # that it may leave: before, after, and after each of its commits
        async with self._store(used=lambda path: self._states.append(_content(path))) as (store, path, heard):
            await self._operation(store, self._material)
            self._heard = heard()
            assert _content(path) == self._states[-1]
        return await at_every_await(self._cancelled)

    async def _cancelled(self, at):
        async with self._store() as (store, path, heard):
            awaits = await self._cancelling(at, lambda: self._operation(store, self._material))
            where = f"cancelled at {awaits.hit}"
            if connection := store._database._connection:
                await connection.execute("SELECT 1")  # when it has done the abandoned work
                assert not connection.in_transaction, f"a transaction is open, {where}"
            else:
                no_connection_is_left()
            is_free(path)
            content = _content(path)
            assert content in self._states, f"half of it is there, {where}"
            if self._cancelling is by_its_scope:  # the other way ends the loop, and who listens with it
                happened = content == self._states[-1] != self._states[0]
                assert heard() == (self._heard if happened else ([], False)), f"others were notified of something else, {where}"
            await _goes_on(store, path)
        return awaits

    @asynccontextmanager
    async def _store(self, used=lambda _path: None):
        """A store of a copy, and what has been heard of it; sound in the end, with no thread left."""
        self._copies += 1
        path, notified_ids = self._folder / f"{self._copies}.db", []
        shutil.copy(self._material.path, path)
        async with open_store(
            path,
            [EVERYTHING],
            notified=lambda event, _backfilled: notified_ids.append(event.id),
            used=lambda _use, _well: used(path),
        ) as store:
            changed = store.wakeups.deliveries_changed("pipeline")
            yield store, path, lambda: (list(notified_ids), changed.is_set())
        assert verify(path).differences == ()
        no_connection_is_left()


async def _goes_on(store, path):
    """What is in memory is what is in the file, and the next change is recorded."""
    with anyio.fail_after(WITHIN):
        active = {id_: known.job.status for id_, known in (await store.active_jobs("default")).items()}
        assert active == dict(select(path, "SELECT id, status FROM jobs WHERE account = 'default' AND active"))
        await store.record("default", [seen("after")])
    assert select(path, "SELECT job FROM events ORDER BY seq DESC LIMIT 1") == [("after",)]


def is_free(path):
    """Another connection could write at once."""
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        try:
            other.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise AssertionError("a transaction is open still") from error
        other.execute("ROLLBACK")


def _content(path):
    """Every row of every table, as another connection sees them."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as other:
        tables = [name for (name,) in other.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        rows = [other.execute(f"SELECT '{name}', * FROM {name}").fetchall() for name in tables]  # noqa: S608
        return [sorted(each, key=repr) for each in rows]


def select(path, sql, *parameters):
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as other:
        return other.execute(sql, parameters).fetchall()


def no_connection_is_left():
    """No thread of a connection lives on: it would keep the process from ending."""
    for thread in threading.enumerate():
        if "_connection_worker_thread" in thread.name:
            thread.join(WITHIN)
            assert not thread.is_alive()
