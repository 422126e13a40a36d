"""The active jobs in memory: always what the table says, and not read again while nothing happened to the connection."""

import random
import sqlite3
from contextlib import closing, suppress

import anyio
import msgspec
import pytest
from job_changes import CHECKPOINT, SINCE, gone, moved, seen, with_the_id_of

from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import parse_iso
from tracker.core.events.job_diff import Known
from tracker.core.jobs.interning import MOST, Interning
from tracker.core.jobs.job_reading import parse_job, read_job
from tracker.store.opening import open_store
from tracker.store.sqlite.database.schema import migrate

ACCOUNTS = ("default", "other")
COUNTERS = ("total_requests", "completed_requests", "succeeded_requests", "failed_requests")
ANSWER = dict.fromkeys(COUNTERS, 1000) | {
    "id": "1",
    "status": "RUNNING",
    "created_at": 1,
    "model": "small",
    "endpoint": "/v1/x",
}


@pytest.fixture
async def store(path):
    async with open_store(path) as store:
        yield store


def in_the_table(path, account):
    """The active jobs as another connection finds them."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT id, data, observed_at FROM jobs WHERE account = ? AND active", (account,)).fetchall()
    return {id_: Known(parse_job(data.encode()), logged_at=parse_iso(at)) for id_, data, at in rows}


async def statements(store):
    """What SQLite is asked from now on."""
    asked = []
    await store._database._connection.set_trace_callback(asked.append)
    return asked


class Trial:
    """Records of all kinds, in an order that chance chose, some of which fail in one way or another."""

    def __init__(self, store, chance):
        self.store = store
        self.chance = chance
        self.now = SINCE
        self.committed = {account: {} for account in ACCOUNTS}  # the last change of each job

    async def step(self):
        self.now += 1000
        account = self.chance.choice(ACCOUNTS)
        changes = [change for _ in range(self.chance.randrange(1, 6)) if (change := self.change(account))]
        changes = list({change.known.job.id: change for change in changes}.values())
        way = self.chance.choice((self.goes_well, self.goes_well, self.is_full, self.is_refused, self.is_a_mistake, self.both))
        await way(account, changes)

    def change(self, account):
        known = list(self.committed[account].values())
        if not known or self.chance.random() < 0.4:
            status = self.chance.choice(("QUEUED", "RUNNING", "SUCCESS", "ODD"))
            odd = {"extra": {"tier": ["new", 1.5]}, "metadata": {"größe": "1"}} if self.chance.random() < 0.5 else {}
            return seen(f"{account}-{self.now}-{self.chance.random()}", account=account, now=self.now, status=status, **odd)
        last = self.chance.choice(known)
        if last.known.active and self.chance.random() < 0.2:
            return gone(last, now=self.now)
        return moved(last, now=self.now, status=self.chance.choice(("RUNNING", "SUCCESS")), completed_requests=self.now)

    def record_changes(self, account, changes):
        self.committed[account].update((change.known.job.id, change) for change in changes)

    async def goes_well(self, account, changes):
        await self.store.record(account, changes)
        self.record_changes(account, changes)

    async def is_full(self, account, changes):
        """The transaction is undone by hand, and the connection stays."""
        before = self.store._database._connection
        await before.execute_fetchall("PRAGMA max_page_count = 1")
        big = seen(f"big-{self.now}", account=account, metadata={"x": "y" * 100_000})
        with pytest.raises(StorageError, match="full"):
            await self.store.record(account, [*changes, big])
        assert self.store._database._connection is before
        await before.execute_fetchall("PRAGMA max_page_count = 1000000")

    async def is_refused(self, account, changes):
        """The log takes no id twice: the connection goes with the transaction."""
        if known := [change for change in self.committed[account].values() if change.events[0].type != "batch.progress"]:
            with pytest.raises(StorageError):
                await self.store.record(account, [*changes, with_the_id_of(seen("twice", account=account), known[0])])

    async def is_a_mistake(self, account, changes):
        with pytest.raises(AttributeError):
            await self.store.record(account, [*changes, "no change"])

    async def both(self, account, changes):
        """Two records at once, as by two pollers of one account, and a read between them."""
        async with anyio.create_task_group() as group:
            group.start_soon(self.store.record, account, changes[::2])
            group.start_soon(self.store.active_jobs, account)
            group.start_soon(self.store.record, account, changes[1::2])
        self.record_changes(account, changes)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
async def test_memory_is_what_the_table_says(store, path, seed):
    """After any records, failed ones too, what is remembered is what is in the file."""
    for account in ACCOUNTS:
        await store.checkpoint(account, CHECKPOINT)
    trial = Trial(store, random.Random(seed))
    for _ in range(60):
        await trial.step()
        for account in ACCOUNTS:
            table = in_the_table(path, account)
            assert await store.active_jobs(account) == table
            assert store.active_jobs_snapshot(account) == {id_: known.job for id_, known in table.items()}
            assert table == {id_: each.known for id_, each in trial.committed[account].items() if each.known.active}


async def test_what_was_read_stays_as_it_was(store):
    """Active jobs that were read do not change when later changes are recorded."""
    first = seen()
    await store.record("default", [first])
    before = await store.active_jobs("default")
    await store.record("default", [moved(first, status="SUCCESS"), seen("later")])
    assert before == {"job-1": first.known}


async def test_reading_again_asks_nothing(store):
    """Once read, and after each committed change, the active jobs need no statement; after an error they are read again."""
    first = seen()
    await store.record("default", [first])
    await store.active_jobs("default")
    await store.record("default", [moved(first, status="RUNNING"), seen("later")])
    asked = await statements(store)
    for _ in range(2):
        assert sorted(await store.active_jobs("default")) == ["job-1", "later"]
    assert asked == []
    with suppress(StorageError):
        await store.record("default", [with_the_id_of(seen("twice"), first)])
    await store.checkpoint("default", CHECKPOINT)  # the connection is another one now
    asked = await statements(store)
    assert sorted(await store.active_jobs("default")) == ["job-1", "later"]
    assert any("FROM jobs" in sql for sql in asked)


async def test_many_are_read_at_once(store, path):
    """However many there are, one statement reads them all."""
    changes = [seen(f"{number}", metadata={"n": "é"}) for number in range(4_500)]
    await store.record("default", changes)
    asked = await statements(store)
    assert await store.active_jobs("default") == in_the_table(path, "default")
    assert len(asked) == 1


def test_what_jobs_have_in_common_is_kept_once():
    """Jobs that have words, metadata and the like in common have them in one piece, and are no other jobs for that."""
    others = {"metadata": {"team": "research"}, "errors": [], "tier": ["new"]}
    jobs = [parse_job(msgspec.json.encode(ANSWER | others | {"id": id_})) for id_ in "12"]
    interning = Interning()
    first, second = map(interning.lean, jobs)
    assert [first, second] == jobs
    for name in ("status", "model", "endpoint", "metadata", "errors", "extra", "total_requests"):
        assert getattr(first, name) is getattr(second, name) is not None


def test_what_is_alike_is_not_in_common():
    """What merely compares equal (1, 1.0 and true, deep in metadata too) stays what it is, also after many other values."""
    values = [1, 1.0, True, {"a": 1}, {"a": 1.0}, {"a": True}, [1], [True], {}, [], {"a": 1, "b": 2}, {"b": 2, "a": 1}]
    jobs = [read_job(ANSWER | {"errors": value, "metadata": {"k": value}, "total_requests": 1}) for value in values]
    jobs += [read_job(ANSWER | {"metadata": {"n": number}}) for number in range(MOST + 1)]
    interning = Interning()
    assert [repr(interning.lean(job)) for job in jobs + jobs] == [repr(job) for job in jobs + jobs]
    assert len(interning) <= MOST


async def test_another_file_is_read_again(store, path):
    """Where another task of the process finds that the file was replaced, the cache of it is dropped."""
    await store.record("default", [seen()])
    assert await store.active_jobs("default")
    other = path.with_name("other.db")
    migrate(other)
    other.rename(path)
    assert "replaced" in (await store.probe() or "nothing")
    assert await store.active_jobs("default") == {}
