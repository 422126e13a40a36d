"""A connection that is cut, silent, killed or refused, at any point of a transaction: an error, nothing half, and recovery."""

from urllib.parse import urlsplit

import anyio
import asyncpg
import pytest
from job_changes import CHECKPOINT, SINCE, moved, seen, seen_many
from matrix import matrix
from outboxes import EVERYTHING
from postgres_server import running_server
from tables import fetch
from tcp_proxy import TcpProxy
from waiting import until

from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import plain_event
from tracker.runtime.wakeups import InProcessWakeups
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.connecting import Timeouts
from tracker.store.postgres.database.schema import migrate
from tracker.store.postgres.database.writer_connection import Database, OutcomeUnknownError
from tracker.store.postgres.writing.event_log import EventLog
from tracker.store.postgres.writing.store import PostgresStore, open_postgres_store
from tracker.store.records.log_rows import LogEntry

SHORT = Timeouts(connect=2.0, idle_in_transaction=0.2, lock=1.0, statement=1.2, answer=1.5)
OUTAGE = plain_event("account.unreachable", "default", {"reason": "network"}, SINCE)
LOG = "SELECT seq, type FROM events ORDER BY seq"
SLOW_COMMIT = """
CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.3); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON log_head DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()"""

FULL = """
CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
  BEGIN RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device' USING ERRCODE = '53100'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON deliveries FOR EACH ROW EXECUTE FUNCTION no_room()"""


@pytest.fixture
async def store(postgres_address):
    async with open_postgres_store(postgres_address, [EVERYTHING]) as store:
        await store.checkpoint("default", CHECKPOINT)
        yield store


@pytest.fixture
async def proxy(postgres_server):
    async with TcpProxy(("127.0.0.1", postgres_server.port)).serving() as proxy:
        yield proxy


def behind(proxy, address):
    url = urlsplit(address.url)._replace(netloc=f"postgres@127.0.0.1:{proxy.port}").geturl()
    return PostgresAddress(url=url, replica="far")


@pytest.fixture
async def far(postgres_address, proxy):
    """A store behind the proxy, with short time-outs."""
    database, wakeups = Database(behind(proxy, postgres_address), timeouts=SHORT), InProcessWakeups()
    await database.open()
    yield PostgresStore(database, EventLog(database, [EVERYTHING], wakeups, lambda *_: None), wakeups)
    await database.close()


def reset_at_commit(proxy, *, arrives):
    """Lose the next COMMIT, or only the answer to it."""

    def cut(chunk):
        if b"COMMIT\0" not in chunk:
            return False
        proxy.cut_answer = lambda _chunk: False
        if not arrives:
            proxy.reset_connections()
        return arrives

    proxy.cut_answer = cut


def silence(store, proxy, *, arrives):
    """A transaction that appends an event, and whose COMMIT is the last to arrive, or the first not to."""

    def cut(chunk):
        if b"COMMIT\0" in chunk:
            proxy.go_silent()
        return False

    async def work(connection):
        appended = await store.log.append(connection, [LogEntry(OUTAGE, None)])
        if arrives:
            proxy.cut_answer = cut
        else:
            proxy.go_silent()
        return appended

    return store.log.write("testing", work)


async def pass_on_at_next_connection(proxy):
    await proxy.next_connection()
    proxy.cut_answer = lambda _chunk: False
    proxy.pass_on()


async def test_lost_answer_to_a_commit_that_succeeded(far, proxy):
    """The transaction is found in the database and counts as committed: nothing is reported, nothing is written twice."""
    first = seen()
    for change in (first, moved(first, status="RUNNING"), moved(moved(first, status="RUNNING"), now=SINCE + 5, model="other")):
        reset_at_commit(proxy, arrives=True)
        await far.record("default", [change])
        assert await far.active_jobs("default") == {"job-1": change.known}
    assert [seq for seq, _ in await fetch(far, LOG)] == [1, 2, 3]
    assert proxy.connections == 4


async def test_commit_that_takes_longer_than_the_connection_lasts(postgres_server, postgres_url):
    """The outcome is looked up while the server still commits: it is waited for, not guessed."""
    near = PostgresAddress(url=postgres_url, replica="near")
    async with TcpProxy(("127.0.0.1", postgres_server.port)).serving() as proxy, open_postgres_store(near) as store:
        await store.database.read("slowing down", lambda connection: connection.execute(SLOW_COMMIT))
        async with open_postgres_store(behind(proxy, near)) as far:
            reset_at_commit(proxy, arrives=True)
            await far.record("default", [seen()])
            assert await fetch(store, LOG) == [(1, "batch.created")]


async def test_commit_that_never_arrived(far, proxy):
    """It counts as failed, nothing of it is there, no deliverer is woken, and the next record succeeds."""
    woken = far.wakeups.deliveries_changed("pipeline")
    reset_at_commit(proxy, arrives=False)
    with pytest.raises(StorageError, match="recording events failed"):
        await far.record("default", [seen()])
    assert not woken.is_set()
    assert await far.probe() is not None
    assert await far.active_jobs("default") == {}
    await far.record("default", [seen()])
    assert await far.probe() is None
    assert await fetch(far, LOG) == [(1, "batch.created")]


@pytest.mark.slow
@pytest.mark.parametrize("arrives", [True, False])
async def test_commit_into_silence_whose_end_is_seen(far, proxy, arrives):
    """A COMMIT that gets no answer is looked up once the network is back, which waits until the server has given it up."""
    async with anyio.create_task_group() as group:
        group.start_soon(pass_on_at_next_connection, proxy)
        try:
            assert (await silence(far, proxy, arrives=arrives)).first_seq == 1
        except OutcomeUnknownError:
            raise
        except StorageError:
            assert not arrives
        else:
            assert arrives
    assert len(await fetch(far, LOG)) == arrives


@pytest.mark.slow
@pytest.mark.parametrize("arrives", matrix([True, False]))
async def test_commit_into_silence_that_lasts(far, proxy, arrives):
    """Where the outcome cannot be known, the error says so and all that may have something to do is woken."""
    woken = far.wakeups.deliveries_changed("pipeline"), far.wakeups.archive_changed()
    with pytest.raises(OutcomeUnknownError, match="which may have succeeded"):
        await silence(far, proxy, arrives=arrives)
    assert all(each.is_set() for each in woken)
    proxy.cut_answer = lambda _chunk: False
    proxy.pass_on()
    assert len(await fetch(far, LOG)) == arrives


async def test_silence_within_a_transaction_ends_in_time(far, proxy):
    """A statement that gets no answer is an error within the time-out, and the next transaction has a new connection."""

    async def work(connection):
        proxy.go_silent()
        await connection.execute("SELECT 1")

    with anyio.fail_after(5):
        with pytest.raises(StorageError, match="testing failed: the server did not answer in time"):
            await far.database.write("testing", work)
    proxy.pass_on()
    await far.record("default", [seen()])
    assert await fetch(far, LOG) == [(1, "batch.created")]


async def test_network_that_is_gone(far, proxy):
    """While there is no server each use is an error that names it; afterwards all goes on."""
    proxy.reset()
    for _ in range(2):
        with pytest.raises(StorageError, match=rf"postgresql://postgres@127.0.0.1:{proxy.port}/\w+: .* failed"):
            await far.active_jobs("default")
    proxy.pass_on()
    await far.record("default", [seen()])
    assert list(await far.active_jobs("default")) == ["job-1"]


async def test_connection_that_was_ended_between_transactions(store, postgres_server, worker_database):
    """A transaction begins over a new connection, without an error."""
    await store.record("default", [seen()])
    for number in range(3):
        assert postgres_server.terminate_connections(worker_database, "batch-tracker%") == 1
        await store.record("default", [seen(f"later-{number}")])
    assert len(await store.active_jobs("default")) == 4


async def test_connection_that_is_ended_within_a_transaction(store, postgres_server, worker_database):
    """The transaction fails whole, and the next one has a new connection."""

    async def work(connection):
        await connection.execute("UPDATE log_head SET seq = 7")
        postgres_server.terminate_connections(worker_database, "batch-tracker%")
        await connection.execute("SELECT 1")

    with pytest.raises(StorageError, match="testing failed"):
        await store.database.write("testing", work)
    await store.record("default", [seen()])
    assert await fetch(store, LOG) == [(1, "batch.created")]


async def test_disk_of_the_server_is_full(store):
    """The server answers that it has no room, in the midst of a transaction: nothing is half, and it goes on by itself."""
    woken = store.wakeups.deliveries_changed("pipeline")
    await store.database.read("filling the disk", lambda connection: connection.execute(FULL))
    for _ in range(2):
        with pytest.raises(StorageError, match="recording events failed: the server's disk is full: could not extend file"):
            await store.record("default", [seen()])
    assert not woken.is_set()
    assert (await fetch(store, LOG), await store.active_jobs("default")) == ([], {})
    await store.database.read("freeing space", lambda connection: connection.execute("DROP FUNCTION no_room CASCADE"))
    await store.record("default", [seen()])
    assert await fetch(store, LOG) == [(1, "batch.created")]


async def test_transaction_that_stops_is_ended_by_the_server(far):
    """A process that sleeps within a transaction holds up the log for a bounded time, and fails when it wakes."""

    async def work(connection):
        await connection.execute("UPDATE log_head SET seq = 7")
        await until(connection.is_closed)
        await connection.execute("SELECT 1")

    with pytest.raises(StorageError, match="testing failed"):
        await far.database.write("testing", work)
    await far.record("default", [seen()])
    assert await fetch(far, LOG) == [(1, "batch.created")]


async def test_lock_that_is_held_for_too_long(far, postgres_address):
    """Waiting for the log is an error in time; the connection stays, and the record succeeds once the lock is gone."""
    await far.probe()
    pid = await far.database.fetch("SELECT pg_backend_pid()")
    other = await asyncpg.connect(postgres_address.url)
    async with other.transaction():
        await other.execute("UPDATE batch_tracker.log_head SET seq = seq")
        with pytest.raises(StorageError, match="canceling statement due to lock timeout"):
            await far.record("default", [seen()])
    await other.close()
    await far.record("default", [seen()])
    assert await far.database.fetch("SELECT pg_backend_pid()") == pid


async def test_failed_statement_that_was_ignored(store):
    """A transaction whose statement failed is never taken for committed."""

    async def work(connection):
        await connection.execute("UPDATE log_head SET seq = 7")
        with pytest.raises(asyncpg.PostgresError):
            await connection.execute("SELECT 1 / 0")

    with pytest.raises(StorageError, match="rolled back"):
        await store.database.write("testing", work)
    assert await fetch(store, "SELECT seq FROM log_head") == [(0,)]


async def test_two_writers_leave_no_gap_and_are_seen_in_order(store, postgres_address):
    """A reader that continues after its last event sees each event, while two processes append as fast as they can."""
    found, ended = [], []

    async def write(writer, prefix):
        for number in range(25):
            await writer.record("default", seen_many(3, f"{prefix}-{number}"))
        ended.append(prefix)

    async with open_postgres_store(postgres_address) as other, anyio.create_task_group() as group:
        group.start_soon(write, store, "a")
        group.start_soon(write, other, "b")
        reader = await asyncpg.connect(postgres_address.url)
        while len(found) < 150:
            complete = len(ended) == 2
            sql = "SELECT seq FROM batch_tracker.events WHERE seq > $1 ORDER BY seq"
            found += [seq for (seq,) in await reader.fetch(sql, found[-1] if found else 0)]
            assert len(found) == 150 or not complete
        await reader.close()
    assert found == list(range(1, 151))


async def test_writers_row_that_was_deleted(store):
    """A process whose row is gone says so rather than writing what it could not look up."""
    await store.database.fetch("DELETE FROM writers RETURNING id")
    assert "the table writers was deleted" in await store.probe()


@pytest.mark.slow
async def test_server_that_restarts_or_is_killed():
    """Whatever ends the server, what was recorded before is there after it, and recording goes on by itself."""
    with running_server(fsync=True) as server:
        address = PostgresAddress(url=server.url(server.create_database()), replica="one")
        await migrate(address)
        async with open_postgres_store(address) as store:
            for number, end in enumerate((server.stop, server.kill, server.kill)):
                await store.record("default", [seen(f"job-{number}")])
                end()
                with pytest.raises(StorageError, match="failed"):
                    await store.record("default", [seen("lost")])
                server.start()
                assert len(await store.active_jobs("default")) == number + 1
            assert await store.append([OUTAGE])
