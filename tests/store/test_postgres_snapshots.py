"""Every read from PostgreSQL is of one moment: a commit of another connection between two of its queries is not in it."""

import msgspec
import pytest
from engines import Postgres
from outboxes import EVERYTHING
from test_sqlite_snapshots import CASES, FIGURES
from written_world import write_two_accounts

from tracker.store.postgres.reading import read_connection

pytestmark = [pytest.mark.xdist_group("postgres_snapshots"), pytest.mark.slow]

TABLES = [
    "events",
    "log_head",
    "jobs",
    "job_counts",
    "deliveries",
    "attempts",
    "receivers",
    "accounts",
    "archive_tasks",
    "results",
]

CHANGE = """
DO $$ BEGIN
SET LOCAL search_path = batch_tracker;
UPDATE log_head SET seq = seq + 1;
INSERT INTO events
  SELECT max(seq) + 1, 'an-id', 'batch.created', 'one', 'job-9', 1, max(observed_at), false, min(body) FROM events;
INSERT INTO deliveries (receiver, seq, stream, type, state, attempts, due_at)
  SELECT each, max(seq), 'one/job-9', 'batch.created', 'pending', 0, 1
  FROM events, unnest(ARRAY['pipeline', 'newcomer']) AS each GROUP BY each;
UPDATE deliveries SET state = 'dead', attempts = 1, ended_at = 7 WHERE receiver = 'pipeline' AND seq <= 3;
INSERT INTO attempts SELECT 'pipeline', seq, 1, 5, 7, 'server', 500, 'bad', '', NULL FROM deliveries WHERE state = 'dead';
INSERT INTO receivers (name, failures, since, quiet_until, reason, detail, disabled)
  VALUES ('pipeline', 1, 5, 9, 'server', 'bad', false);
UPDATE jobs SET status = 'SUCCESS', active = false, ended_at = 7, data = replace(data, '"RUNNING"', '"SUCCESS"');
INSERT INTO jobs SELECT 'three', id, 'CANCELLED', false, false, created_at, first_seen_at, observed_at, seq, data, 7
  FROM jobs WHERE account = 'one';
INSERT INTO results SELECT account, job, 'archived', 7, NULL, '{"digest": null}' FROM archive_tasks;
DELETE FROM archive_tasks;
UPDATE accounts SET swept_at = 7;
END $$"""


@pytest.fixture(scope="module")
async def engine(request):
    """Two accounts with jobs of the same ids, each job with a task, deliveries and events; and a copy of all rows."""
    engine = Postgres.made_for_module(request)
    async with engine.store([EVERYTHING]) as store:
        await write_two_accounts(store)
        await store.database.write("filling", fill)
    return engine


async def fill(connection):
    await connection.execute("INSERT INTO archive_tasks SELECT account, id, 5, 5, 0, '', '' FROM jobs")
    await connection.execute("CREATE SCHEMA copy")
    for table in TABLES:
        await connection.execute(f"CREATE TABLE copy.{table} AS TABLE {table}")


class Interruption:
    """A commit of another connection, just before one of the queries of a read."""

    def __init__(self, monkeypatch, server, engine):
        self.queries, self.before, self._is_changed = 0, None, False
        self._run = lambda sql: server.fetch(sql, database=engine.address.url.rpartition("/")[2])
        fetch = read_connection._fetch

        async def observed(connection, sql, *parameters):
            self.queries += 1
            if self.queries == self.before:
                self.commit()
            return await fetch(connection, sql, *parameters)

        monkeypatch.setattr(read_connection, "_fetch", observed)

    def commit(self):
        self._is_changed = True
        self._run(CHANGE)

    def renew(self):
        """Make the rows those of before the change."""
        if self._is_changed:
            emptied = " ".join(f"DELETE FROM batch_tracker.{table};" for table in TABLES)  # noqa: S608 - the names above
            filled = " ".join(f"INSERT INTO batch_tracker.{table} TABLE copy.{table};" for table in TABLES)
            self._run(f"DO $$ BEGIN SET LOCAL session_replication_role = replica; {emptied} {filled} END $$")
            self._is_changed = False

    def arm(self, before):
        self.queries, self.before = 0, before


@pytest.fixture
def interruption(monkeypatch, postgres_server, engine):
    engine.bound_pages(monkeypatch, skipped=2, decoded=2, batch=1)
    interruption = Interruption(monkeypatch, postgres_server, engine)
    yield interruption
    interruption.renew()


async def check_one_moment(interruption, read):
    """`read` returns what it does before the change or after it, where the change comes before its second or last query."""
    before = msgspec.json.encode(await read(None))
    if (queries := interruption.queries) < 2:
        return
    interruption.commit()
    after = msgspec.json.encode(await read(None))
    for number in {2, queries}:
        interruption.renew()
        assert msgspec.json.encode(await read(number)) in (before, after), f"the commit came before query {number} of {queries}"


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=lambda part: part if isinstance(part, str) else "")
async def test_read_is_of_one_moment(engine, interruption, name, arguments):
    """So it is for every method of a reader, however many queries it takes."""
    async with engine.reader() as reader:

        async def read(before):
            await reader.last_seq()  # else its version is asked for, too
            interruption.arm(before)
            return await getattr(reader, name)(*arguments)

        await check_one_moment(interruption, read)


@pytest.mark.parametrize("name", FIGURES)
async def test_figure_is_of_one_moment(engine, interruption, name):
    figures = engine.statistics()

    async def read(before):
        interruption.arm(before)
        return getattr(figures, name)()

    await check_one_moment(interruption, read)


async def test_orphans_of_a_store_are_of_one_moment(engine, interruption):
    async with engine.store() as store:

        async def read(before):
            interruption.arm(before)
            return await store.orphans((), ())

        await check_one_moment(interruption, read)
