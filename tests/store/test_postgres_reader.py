"""A reader over PostgreSQL: connections that are lost and come back, a role that only reads, and what wakes who waits."""

import json

import anyio
import msgspec
import pytest
from engines import Postgres
from job_changes import CHECKPOINT, SINCE, seen, seen_many
from outboxes import EVERYTHING
from tcp_proxy import TcpProxy
from waiting import until

from tracker.core.errors.storage_error import StorageError
from tracker.core.queries.filters import DeliveryFilter, EventFilter, JobFilter
from tracker.core.queries.pagination import Span
from tracker.store.address import PostgresAddress
from tracker.store.opening import open_reader, open_reader_pool
from tracker.store.postgres.database.connecting import Timeouts
from tracker.store.postgres.notification_sender import channel
from tracker.store.postgres.reading import commit_wait
from tracker.store.postgres.reading.parameters import bind, decode_row
from tracker.store.postgres.reading.read_connection import ReadConnection
from tracker.store.postgres.reading.reader import PostgresReader
from tracker.store.postgres.verification.verify import verify

LONG = 30.0
"""Seconds; ends a hang."""

READER = (
    "CREATE ROLE only_reads LOGIN",
    "GRANT USAGE ON SCHEMA batch_tracker TO only_reads",
    "GRANT SELECT ON ALL TABLES IN SCHEMA batch_tracker TO only_reads",
)


@pytest.fixture
def engine(postgres_address):
    return Postgres(postgres_address)


@pytest.fixture
async def store(engine):
    async with engine.store([EVERYTHING]) as store:
        await store.checkpoint("default", CHECKPOINT)
        await store.record("default", seen_many(3))
        yield store


@pytest.fixture
async def reader(engine, store):  # noqa: ARG001 - the store makes what is read
    async with engine.reader() as reader:
        yield reader


def lose_connections(server, address):
    """End every connection to the database, as a restart of the server does."""
    assert server.terminate_connections(address.url.rpartition("/")[2]) > 0


async def woken(reader):
    with anyio.fail_after(LONG):
        await reader.wait_for_change()


async def test_reader_goes_on_after_its_connection_was_lost(reader, postgres_server, postgres_address):
    """A connection that the server has ended costs no read: not the next one, and not one of several queries."""
    assert await reader.last_seq() == 3
    lose_connections(postgres_server, postgres_address)
    assert await reader.last_seq() == 3
    lose_connections(postgres_server, postgres_address)
    assert len(await reader.deliveries((0, ""), DeliveryFilter())) == 3
    lose_connections(postgres_server, postgres_address)
    assert await reader.last_sweep() is None


async def test_connection_that_is_lost_within_a_read(reader, postgres_server, postgres_address):
    """What was read before the connection was lost is read again: the answer is of one moment all the same."""
    lost = []

    async def reading(query):
        found = await query("SELECT max(seq) FROM events")
        if not lost:
            lost.append(1)
            lose_connections(postgres_server, postgres_address)
        return found, await query("SELECT count(*) FROM events")

    assert await reader._connection.read_at_one_moment(reading) == ([(3,)], [(3,)])
    assert lost


async def test_server_that_ends_every_connection_is_not_asked_forever(reader, postgres_server, postgres_address):
    """A read whose connection is lost twice raises an error, and the next one works."""

    async def reading(query):
        lose_connections(postgres_server, postgres_address)
        return await query("SELECT 1")

    with pytest.raises(StorageError, match="reading failed: "):
        await reader._connection.read_at_one_moment(reading)
    assert await reader.last_seq() == 3


async def test_wait_outlives_a_lost_connection(store, reader, postgres_server, postgres_address):
    """A wait that is under way when the server restarts ends with the next commit."""
    await reader.last_seq()
    with anyio.fail_after(LONG):
        async with anyio.create_task_group() as group:
            group.start_soon(reader.wait_for_change)
            await listening(postgres_server, postgres_address)
            lose_connections(postgres_server, postgres_address)
            await recorded(store)
    assert await reader.last_seq() == 4


async def recorded(store):
    """Record a job, again if the store's own connection was lost."""
    while True:
        try:
            await store.record("default", [seen("late")])
        except StorageError:
            continue
        return


async def listening(server, address):
    """Return once a reader waits for notifications."""
    sql = "SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND query LIKE '%pg_current_snapshot%' AND pid <> pg_backend_pid()"
    await until(lambda: server.fetch(sql, address.url.rpartition("/")[2]))


async def test_notification_ends_a_wait_at_once(store, reader, monkeypatch):
    """A commit wakes who waits by its notification, however seldom the database is looked at."""
    monkeypatch.setattr(commit_wait, "POLL_INTERVAL", 600.0)
    await reader.last_seq()
    with anyio.fail_after(LONG):
        async with anyio.create_task_group() as group:
            group.start_soon(reader.wait_for_change)
            await anyio.wait_all_tasks_blocked()
            await store.record("default", [seen("late")])


async def test_new_connection_gets_notifications_too(store, reader, postgres_server, postgres_address, monkeypatch):
    """A reader that waited before the connection was lost is woken by a notification over the next one."""
    await reader.last_seq()
    await store.record("default", [seen("early")])
    await woken(reader)
    lose_connections(postgres_server, postgres_address)
    assert await reader.last_seq() == 4
    monkeypatch.setattr(commit_wait, "POLL_INTERVAL", 600.0)
    with anyio.fail_after(LONG):
        async with anyio.create_task_group() as group:
            group.start_soon(reader.wait_for_change)
            await anyio.wait_all_tasks_blocked()
            await recorded(store)


@pytest.mark.parametrize("limit", [600.0, 0.0])
async def test_server_that_is_away_while_a_change_is_waited_for(store, postgres_server, postgres_address, monkeypatch, limit):
    """A wait goes on when the server is back, and ends with an error where it is away for long."""
    monkeypatch.setattr(commit_wait, "OUTAGE_LIMIT", limit)
    monkeypatch.setattr(commit_wait, "_OUTAGE_PAUSE", 0.01)
    monkeypatch.setattr(commit_wait, "POLL_INTERVAL", 0.01)
    async with TcpProxy(("127.0.0.1", postgres_server.port)).serving() as proxy:
        database = postgres_address.url.rpartition("/")[2]
        url = postgres_server.url(database, port=proxy.port)
        async with open_reader(msgspec.structs.replace(postgres_address, url=url)) as reader:
            await reader.last_seq()
            proxy.reset()
            if not limit:
                with pytest.raises(StorageError, match="failed"):
                    await woken(reader)
                return
            async with anyio.create_task_group() as group:
                group.start_soon(woken, reader)
                await proxy.next_connection()
                proxy.pass_on()
                await store.record("default", [seen("late")])
            assert await reader.last_seq() == 4


async def test_each_read_is_planned_for_what_is_asked(reader):
    """However often a statement runs, its plan is made for its parameters."""
    for _ in range(8):
        await reader.jobs_page(None, JobFilter(account="default"), 5)
    planned = "SELECT custom_plans, generic_plans FROM pg_prepared_statements WHERE statement LIKE '%LIMIT%'"
    assert {row for row in await reader._connection.fetch(planned) if row[0]} == {(8, 0)}


async def test_commit_without_a_notification_ends_a_wait(reader, postgres_server, postgres_address, monkeypatch):
    """What no notification says, such as another program's change, is seen by looking."""
    monkeypatch.setattr(commit_wait, "POLL_INTERVAL", 0.01)
    await reader.last_seq()
    database = postgres_address.url.rpartition("/")[2]
    postgres_server.fetch("UPDATE batch_tracker.accounts SET swept_at = 7", database=database)
    await woken(reader)


async def test_behind_a_pooler_nothing_is_listened_for(store, postgres_address):
    """With an address of its own for listening, the other one is a pooler's, where LISTEN would stay behind for others."""
    pooled = msgspec.structs.replace(postgres_address, listen_url=postgres_address.url)
    async with open_reader(pooled) as reader:
        await reader.last_seq()
        await store.record("default", [seen("late")])
        await woken(reader)
        assert await reader._connection.fetch("SELECT count(*) FROM pg_listening_channels()") == [(0,)]
    async with open_reader(postgres_address) as reader:
        await reader.last_seq()
        await store.record("default", [seen("later")])
        await woken(reader)
        listened = await reader._connection.fetch("SELECT * FROM pg_listening_channels()")
        assert listened == [(channel(postgres_address.schema),)]


async def test_role_that_only_reads(store, postgres_server, postgres_address):
    """A role that may select from the tables may read everything, follow it, verify it, and get its figures."""
    database = postgres_address.url.rpartition("/")[2]
    for statement in READER:
        postgres_server.fetch(statement, database=database)
    address = PostgresAddress(url=postgres_server.url(database, "only_reads"), replica="reader")
    engine = Postgres(address)
    async with engine.reader() as reader:
        for name, *asked in EVERY_READ:
            await getattr(reader, name)(*asked)
        await store.record("default", [seen("late")])
        await woken(reader)
        assert await reader.last_seq() == 4
    assert verify(address).differences == ()
    figures = engine.statistics()
    assert (figures.last_seq(), figures.sizes()[0] > 0, figures.sizes()[1]) == (4, True, 0)
    assert len(list(figures.jobs())) == 1


EVERY_READ = (
    ("silences", 5),
    ("last_events", "batch.created", [("default", "job-1")]),
    ("overview", 1_750_000_000_000),
    ("jobs",),
    ("jobs_by_prefix", "job"),
    ("jobs_by_id", "job-1"),
    ("jobs_page", None, JobFilter(), 5),
    ("job_counts",),
    ("events", 0, EventFilter(), 5),
    ("events_page", Span(), EventFilter(account="default"), 5),
    ("first_seq",),
    ("last_seq",),
    ("last_sweep",),
    ("deliveries", (0, ""), DeliveryFilter()),
    ("deliveries_page", None, DeliveryFilter(states=("dead",)), 5),
    ("start_of_last_deliveries", 5, DeliveryFilter()),
    ("circuits",),
    ("backlog", "pipeline"),
    ("last_error", "pipeline"),
    ("dead_counts",),
    ("orphans", (), ()),
    ("names",),
    ("results", "default", "job-1"),
    ("results_page", None, None, 0, 5),
    ("archive_backlogs",),
    ("replicas",),
    ("leases",),
)


async def test_every_method_is_read_above():
    """A new method of a reader is tried with a role that only reads."""
    methods = {name for name in dir(PostgresReader) if not name.startswith("_")}
    assert methods - {name for name, *_ in EVERY_READ} == {"wait_for_change", "interrupt"}


async def test_replicas_and_leases(store, reader, postgres_server):
    """Who lives and who does not, what each holds and says; a lease whose holder is gone has none."""
    now = int(postgres_server.fetch("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")[0][0])
    row = "INSERT INTO replicas (name, instance, version, url, joined_at, renewed_at, expires_at) VALUES ($1,$2,$3,$4,$5,$6,$7)"
    lease = "INSERT INTO leases (kind, name, holder, instance, epoch, since, report) VALUES ($1,$2,$3,$4,$5,$6,$7)"

    async def fill(connection):
        await connection.execute(row, "a\x01\x02", "i-1", "1.0", "https://a", SINCE, now, now + 600_000)
        await connection.execute(row, "b", "i-2", "1.0", None, SINCE, SINCE, SINCE + 15_000)
        await connection.execute(lease, "account", "one", "a\x01\x02", "i-1", 3, SINCE, '{"health": "\\u0000"}')
        await connection.execute(lease, "account", "two", "b", "i-2", 2, SINCE, "{}")
        await connection.execute(lease, "receiver", "free", None, None, 1, None, None)

    await store.database.write("filling", fill)
    alive, dead = await reader.replicas()
    assert (alive["name"], alive["live"], alive["accounts"], alive["receivers"]) == ("a\x01", True, 1, 0)
    assert (dead["name"], dead["live"], dead["url"]) == ("b", False, None)
    assert dead["expires_at"] == "2025-06-15T15:06:55.000Z"
    held, lost, free = await reader.leases()
    assert (held["holder"], held["epoch"], held["report"]) == ("a\x01", 3, {"health": "\0"})
    assert (held["since"], held["expires_at"] > held["since"]) == ("2025-06-15T15:06:40.000Z", True)
    nothing = {"holder": None, "since": None, "expires_at": None, "report": None}
    assert lost == {"kind": "account", "name": "two", "epoch": 2, **nothing}
    assert free == {"kind": "receiver", "name": "free", "epoch": 1, **nothing}


async def test_odd_texts_are_read_as_they_were(store, reader):
    """Ids with a NUL or the escape character are filtered by, sorted and returned as themselves."""
    odd = ["a", "a\0", "a\0b", "a\x01", "a\x01\0", "a\x02", "b"]
    await store.record("odd\0", [seen(each, account="odd\0", metadata={"k": "\0"}) for each in odd])
    page = await reader.jobs_page(None, JobFilter(account="odd\0"), 50)
    assert [job["id"] for job in page.jobs] == odd
    assert {(job["account"], json.dumps(job["metadata"])) for job in page.jobs} == {("odd\0", '{"k": "\\u0000"}')}
    found, after = [], None
    while page := await reader.jobs_page(after, JobFilter(account="odd\0", statuses=("QUEUED", "X")), 1):
        found += [job["id"] for job in page.jobs]
        if (after := page.next) is None:
            break
    assert found == odd
    prefixed = await reader.jobs_page(None, JobFilter(prefix="a\0"), 50)
    assert [job["id"] for job in prefixed.jobs] == ["a\0", "a\0b"]
    assert [job["id"] for job in await reader.jobs_by_prefix("a\x01")] == ["a\x01"]
    assert len((await reader.events_page(Span(), EventFilter(job="a\0b"), 5)).events) == 1


async def test_query_that_takes_too_long_is_ended(store, postgres_server, postgres_address):  # noqa: ARG001 - the store makes it
    """Its consumer gets an error, the next one a new reader; and the server ends the abandoned query."""
    database = postgres_address.url.rpartition("/")[2]
    async with open_reader_pool(postgres_address, 1, 0.3) as pool:
        async with pool.reader() as reader:
            await reader._connection.fetch("SET statement_timeout = 0")
        with pytest.raises(StorageError, match=r"within 0\.3 s"):
            async with pool.reader() as reader:
                await reader._connection.fetch("SELECT pg_sleep(600)")
        async with pool.reader() as reader:
            assert await reader.last_seq() == 3
    running = "SELECT 1 FROM pg_stat_activity WHERE datname = $1 AND state = 'active' AND query LIKE 'SELECT pg_sleep%'"
    await until(lambda: not postgres_server.fetch(running, database), LONG)


async def test_silent_server_is_an_error_soon(store, postgres_address):  # noqa: ARG001 - the store makes what is read
    """A server that does not answer is not waited for, nor asked again."""
    connection = ReadConnection(postgres_address, Timeouts(answer=0.2))
    await connection.open()
    asked = []

    def ask(connection):
        asked.append(1)
        return connection.fetch("SELECT pg_sleep(60)")

    with pytest.raises(StorageError, match="did not answer in time"):
        await connection.run(ask)
    assert asked == [1]
    await connection.close()


@pytest.mark.parametrize("address", ["none", "no schema"])
async def test_what_cannot_be_opened_is_said(postgres_url, address):
    """No server, and a database without the schema, are errors that say what to do."""
    url = postgres_url if address == "no schema" else "postgresql://unknown@127.0.0.1:1/none"
    with pytest.raises(StorageError, match=r"has `batch-tracker run` been|cannot be reached"):
        async with open_reader(PostgresAddress(url=url, replica="test")):
            raise AssertionError("it was opened")


def test_statement_gets_the_parameters_that_it_names():
    """Numbers close up, lists and texts are encoded, and rows decoded."""
    assert bind("SELECT $4, $2, $4", (1, "b\0", 3, ["d\x01", None])) == (
        "SELECT $2, $1, $2",
        ["b\x01\x01", ["d\x01\x02", None]],
    )
    assert bind("SELECT 1", (1, 2)) == ("SELECT 1", [])
    assert decode_row((1, "a\x01\x01", None, True)) == (1, "a\0", None, True)
