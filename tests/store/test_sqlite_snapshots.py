"""Every read is of one moment: a commit of another connection between any two of its queries does not mix with it."""

import shutil
import sqlite3
from contextlib import closing

import msgspec
import pytest
from engines import Sqlite
from outboxes import EVERYTHING
from written_world import write_two_accounts

from tracker.core.ports.reader import Reader
from tracker.core.ports.statistics import Statistics
from tracker.core.queries.filters import DeliveryFilter, EventFilter, JobFilter
from tracker.core.queries.pagination import DeliveryKey, Span
from tracker.core.silences.silence import Scope, SilenceRequest, requested_silence
from tracker.store.sqlite.verification.verify import verify

STATUSES = ("QUEUED", "RUNNING", "SUCCESS")
PENDING = DeliveryFilter(states=("pending", "dead"), receiver="pipeline")

READS = {
    "jobs": ((),),
    "jobs_by_prefix": (("job",),),
    "jobs_by_id": (("job-1",),),
    "jobs_page": tuple(
        (None, filters, 5)
        for filters in (
            JobFilter(),
            JobFilter(statuses=STATUSES),
            JobFilter(statuses=STATUSES, by_end=True),
            JobFilter(text="job"),
        )
    ),
    "job_counts": ((),),
    "events": ((0, EventFilter()), (0, EventFilter(account="one"), -1), (0, EventFilter(statuses=STATUSES), 50)),
    "events_page": tuple(
        (Span(newest_first=newest_first), filters, 5)
        for newest_first in (False, True)
        for filters in (EventFilter(), EventFilter(account="one"), EventFilter(statuses=("SUCCESS",)))
    ),
    "last_seq": ((),),
    "first_seq": ((),),
    "last_sweep": ((),),
    "deliveries": (((0, ""), DeliveryFilter()), ((0, ""), PENDING, 50)),
    "deliveries_page": ((None, DeliveryFilter(), 5), (None, PENDING, 5), (DeliveryKey(0, ""), DeliveryFilter(job="job-1"), 5)),
    "start_of_last_deliveries": ((2, PENDING),),
    "circuits": ((),),
    "backlog": (("pipeline",),),
    "last_error": (("pipeline",),),
    "dead_counts": ((),),
    "orphans": (((), ()),),
    "names": ((),),
    "results": (("one", "job-1"), ("two", "job-1")),
    "results_page": ((None, None, 0, 5),),
    "archive_backlogs": ((),),
    "silences": ((10,),),
    "last_events": (("batch.created", [("one", "job-9")]),),
    "overview": ((1_750_000_000_000,),),
}
FIGURES = ("jobs", "backlogs", "circuits", "archive_backlogs", "last_seq", "open_silences")

CASES = [(read, arguments) for read, several in READS.items() for arguments in several]

CHANGE = """
BEGIN;
INSERT INTO events
  SELECT max(seq) + 1, 'an-id', 'batch.created', 'one', 'job-9', 1, max(observed_at), 0,
    min(body) FILTER (WHERE base IS NULL), NULL FROM events;
INSERT INTO deliveries (receiver, seq, stream, type, state, attempts, due_at)
  SELECT column1, (SELECT max(seq) FROM events), 'one/job-9', 'batch.created', 'pending', 0, 1
  FROM (VALUES ('pipeline'), ('newcomer'));
UPDATE deliveries SET state = 'dead', attempts = 1, ended_at = 7 WHERE receiver = 'pipeline' AND seq <= 3;
INSERT INTO attempts SELECT 'pipeline', seq, 1, 5, 7, 'server', 500, 'bad', '', NULL FROM deliveries WHERE state = 'dead';
INSERT INTO receivers (name, failures, since, quiet_until, reason, detail, disabled)
  VALUES ('pipeline', 1, 5, 9, 'server', 'bad', 0);
UPDATE jobs SET status = 'SUCCESS', active = 0, data = replace(data, '"RUNNING"', '"SUCCESS"');
INSERT INTO jobs SELECT 'three', id, 'CANCELLED', 0, 0, created_at, first_seen_at, observed_at, seq, data, NULL, NULL, NULL
  FROM jobs WHERE account = 'one';
INSERT INTO results SELECT account, job, 'archived', 7, NULL, '{"digest": null}' FROM archive_tasks;
DELETE FROM archive_tasks;
UPDATE accounts SET swept_at = 7;
INSERT INTO silences SELECT 'sil_9', starts_at, ends_at, NULL, NULL, NULL, replace(data, id, 'sil_9') FROM silences;
COMMIT;
"""


@pytest.fixture
async def engine(tmp_path):
    """Two accounts with jobs of the same ids, each job with a task, deliveries and events."""
    engine = Sqlite(tmp_path)
    async with engine.store([EVERYTHING]) as store:
        await write_two_accounts(store)
        request = SilenceRequest(scope=Scope(), reason="why", seconds=60)
        await store.silences.add(requested_silence(request, store.now(), "api"), store.now())
    with closing(sqlite3.connect(engine.path)) as connection, connection:
        connection.execute("INSERT INTO archive_tasks SELECT account, id, 5, 5, 0, '', '' FROM jobs")
    return engine


class Interruption:
    """A commit of another connection, just before one of the queries over the connections that only read."""

    def __init__(self, monkeypatch, path):
        self.path, self.queries, self.before = path, 0, None
        connect = sqlite3.connect

        def connect_observed(database, **options):
            connection = connect(database, **options)
            if "mode=ro" in str(database):
                connection.set_trace_callback(self.see)
            return connection

        self.connect = connect
        monkeypatch.setattr(sqlite3, "connect", connect_observed)

    def see(self, sql):
        if sql.lstrip().startswith(("SELECT", "WITH")):
            self.queries += 1
            if self.queries == self.before:
                self.commit()

    def commit(self):
        with closing(self.connect(self.path)) as connection:
            connection.executescript(CHANGE)

    def arm(self, before):
        self.queries, self.before = 0, before


@pytest.fixture
def interruption(monkeypatch, engine):
    engine.bound_pages(monkeypatch, skipped=2, decoded=2, batch=1)
    return Interruption(monkeypatch, engine.path)


async def check_one_moment(engine, interruption, read):
    """`read` returns what it does before the change or after it, whichever of its queries the change comes before."""
    backup = shutil.copy(engine.path, engine.path.with_suffix(".backup"))

    def renew():
        for suffix in ("-wal", "-shm"):
            engine.path.with_name(engine.path.name + suffix).unlink(missing_ok=True)
        shutil.copy(backup, engine.path)

    whole = [encoded(await read(None))]
    queries = interruption.queries
    interruption.commit()
    whole.append(encoded(await read(None)))
    for number in range(1, queries + 1):
        renew()
        assert encoded(await read(number)) in whole, f"the commit came before query {number} of {queries}"
        assert interruption.queries >= number
    return whole


@pytest.mark.parametrize(("name", "arguments"), CASES, ids=lambda part: part if isinstance(part, str) else "")
async def test_read_is_of_one_moment(engine, interruption, name, arguments):
    """So it is for every method of a reader, however many queries it takes."""

    async def read(before):
        async with engine.reader() as reader:
            interruption.arm(before)
            return await getattr(reader, name)(*arguments)

    before, after = await check_one_moment(engine, interruption, read)
    assert before != after or name in {"events_page", "events", "first_seq"}, "the change shows in what is read"


@pytest.mark.parametrize("name", FIGURES)
async def test_figure_is_of_one_moment(engine, interruption, name):
    async def read(before):
        interruption.arm(before)
        return getattr(engine.statistics(), name)()

    before, after = await check_one_moment(engine, interruption, read)
    assert before != after


async def test_verification_is_of_one_moment(engine, interruption):
    async def read(before):
        interruption.arm(before)
        return verify(engine.path)

    before, after = await check_one_moment(engine, interruption, read)
    assert before != after


def encoded(found):
    """What was read, as JSON; the keys of a mapping may be of several parts."""
    return msgspec.json.encode([*found.items()] if isinstance(found, dict) else found)


def test_every_read_is_covered():
    """A new method of a reader, or of the statistics, needs its line here."""
    reads = {name for name in vars(Reader) if not name.startswith("_")}
    assert reads - {*READS} == {"wait_for_change", "replicas", "leases"}, "those read nothing"
    figures = {name for name in vars(Statistics) if not name.startswith("_")}
    assert figures - {*FIGURES} == {"sizes", "engine", "kept_log"}, "the last is one statement, and stays as it was"
