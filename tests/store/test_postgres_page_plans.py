"""How PostgreSQL answers what is read: each page by an index that has its order, in a database with statistics of its own."""

import json

import pytest
from engines import Postgres

from tracker.core.queries.filters import DeliveryFilter, EventFilter, JobFilter
from tracker.core.queries.pagination import DeliveryKey, JobKey, ResultsKey, Span
from tracker.store.postgres.reading import read_connection

pytestmark = [pytest.mark.xdist_group("postgres_page_plans"), pytest.mark.slow]

BACKWARDS = Span(newest_first=True)
MIDDLE = 1_750_001_000

JOB = '{"id": "", "status": "RUNNING", "total_requests": 1, "succeeded_requests": 1}'

FILL = (
    """INSERT INTO events SELECT each, 'evt_' || each, CASE WHEN each % 3 = 1 THEN 'batch.failed'
      WHEN each % 50 = 0 THEN 'batch.completed' ELSE 'batch.progress' END,
      'account-' || each % 7, 'job-' || each % 2000, 1750000000, to_char(to_timestamp(1750000000 + each), 'YYYY'), false,
      '{}' || repeat(' ', 600)
    FROM generate_series(1, 10000) AS each""",
    "INSERT INTO rare_events SELECT type, seq, account, observed_at FROM events WHERE type = 'batch.failed'",
    f"""INSERT INTO jobs SELECT 'account-' || each % 7, 'job-' || each,
      CASE WHEN each % 100 = 0 THEN 'RUNNING' ELSE 'SUCCESS' END,
      each % 100 = 0, false, 1750000000 + each, '', '', 1, '{JOB}', CASE WHEN each % 100 <> 0 THEN 1750000000 + each END
    FROM generate_series(1, 5000) AS each""",  # noqa: S608 - of constants
    "INSERT INTO job_counts SELECT account, status, deleted, count(*) FROM jobs GROUP BY 1, 2, 3",
    """INSERT INTO deliveries (receiver, seq, stream, type, state, attempts, due_at)
    SELECT receiver, seq, '', type,
      CASE WHEN seq > 9900 THEN 'pending' WHEN seq % 500 = 0 THEN 'dead' ELSE 'delivered' END, 1, 1
    FROM events, unnest(ARRAY['one', 'two', 'three']) AS receiver""",
    "INSERT INTO attempts SELECT receiver, seq, 1, 1, 1, 'server', 500, '', '', NULL FROM deliveries WHERE state <> 'pending'",
    "INSERT INTO results SELECT account, id, 'archived', created_at, NULL, '{}' FROM jobs WHERE NOT active",
    "INSERT INTO archive_tasks SELECT account, id, 1, 1, 0, '', '' FROM jobs WHERE active",
)


@pytest.fixture(scope="module", params=[True, False], ids=["analyzed", "never analyzed"])
async def world(request):
    """Ten thousand events, five thousand jobs and thirty thousand deliveries."""
    engine = Postgres.made_for_module(request)
    async with engine.store() as store:

        async def fill(connection):
            await connection.execute("SET LOCAL session_replication_role = replica")
            for statement in FILL:
                await connection.execute(statement)

        await store.database.write("filling", fill)
        async with store.database.connected("analyzing") as connection:
            await connection.execute("VACUUM (ANALYZE)" if request.param else "VACUUM events")
    return engine


WAYS = [
    ("jobs_page", (None, JobFilter(), 5), {"jobs_newest"}),
    ("jobs_page", (JobKey(MIDDLE, "a", "x"), JobFilter(), 5), {"jobs_newest"}),
    ("jobs_page", (None, JobFilter(active=True), 5), {"jobs_newest_active"}),
    ("jobs_page", (None, JobFilter(statuses=("RUNNING",)), 5), {"jobs_newest_of_status"}),
    ("jobs_page", (None, JobFilter(statuses=("UNHEARD_OF",)), 5), {"jobs_newest_of_status"}),
    ("jobs_page", (None, JobFilter(account="account-1"), 5), {"jobs_created"}),
    ("jobs_page", (JobKey(MIDDLE, "account-1", "x"), JobFilter(account="account-1"), 5), {"jobs_created"}),
    ("jobs_page", (None, JobFilter(by_end=True), 5), {"jobs_ended"}),
    ("jobs_page", (None, JobFilter(by_end=True, account="account-1"), 5), {"jobs_ended_of_account"}),
    ("jobs_page", (None, JobFilter(by_end=True, statuses=("SUCCESS",)), 5), {"jobs_ended_of_status"}),
    ("jobs_by_id", ("job-5",), {"jobs_of_id"}),
    ("jobs_by_prefix", ("job-499",), {"jobs_of_id"}),
    ("events_page", (Span(), EventFilter(), 5), {"events_pkey"}),
    ("events_page", (BACKWARDS, EventFilter(), 5), {"events_pkey"}),
    ("events_page", (Span(), EventFilter(types=("batch.completed",)), 5), {"events_pkey"}),
    ("events_page", (Span(), EventFilter(types=("batch.failed",)), 5), {"rare_events_pkey", "events_pkey"}),
    (
        "events_page",
        (BACKWARDS, EventFilter(types=("batch.failed", "batch.never"), account="account-3"), 5),
        {"rare_events_pkey", "events_pkey"},
    ),
    ("events_page", (BACKWARDS, EventFilter(account="unknown"), 5), {"events_pkey"}),
    ("events_page", (BACKWARDS, EventFilter(since="2030"), 5), {"events_pkey"}),
    ("events_page", (BACKWARDS, EventFilter(job="job-5"), 5), {"events_of_job", "events_pkey"}),
    ("last_seq", (), {"events_pkey"}),
    ("last_events", ("batch.progress", [("account-1", "job-5")] * 50), {"events_of_job", "events_pkey"}),
    ("deliveries_page", (None, DeliveryFilter(), 5), {"deliveries_of_event", "events_pkey", "attempts_pkey"}),
    (
        "deliveries_page",
        (DeliveryKey(4000, "two"), DeliveryFilter(states=("dead",)), 5),
        {"deliveries_open", "deliveries_dead", "events_pkey", "attempts_pkey"},
    ),
    (
        "deliveries_page",
        (None, DeliveryFilter(receiver="one", states=("dead",)), 5),
        {"deliveries_dead", "events_pkey", "attempts_pkey"},
    ),
    ("deliveries_page", (None, DeliveryFilter(receiver="one"), 5), {"deliveries_pkey", "events_pkey", "attempts_pkey"}),
    (
        "deliveries_page",
        (DeliveryKey(4000, "one"), DeliveryFilter(receiver="one"), 5),
        {"deliveries_pkey", "events_pkey", "attempts_pkey"},
    ),
    ("deliveries_page", (None, DeliveryFilter(job="job-5"), 5), {"events_of_job", "deliveries_of_event", "attempts_pkey"}),
    ("start_of_last_deliveries", (5, DeliveryFilter()), {"deliveries_of_event"}),
    ("backlog", ("one",), {"deliveries_due", "deliveries_stream", "deliveries_dead", "events_pkey"}),
    (
        "overview",
        ((MIDDLE + 86_400) * 1000,),
        {"jobs_newest_active", "events_pkey", "events_of_job", "events_deadline", "jobs_ended", "results_archived"},
    ),
    ("dead_counts", (), {"deliveries_dead"}),
    ("results", ("account-5", "job-5"), {"results_pkey"}),
    ("results_page", (ResultsKey(MIDDLE, "account-1", "x"), None, 0, 5), {"results_archived"}),
    ("results_page", (None, "account-1", MIDDLE, 5), {"results_archived_of_account"}),
]


@pytest.mark.parametrize(("page", "asked", "indexes"), WAYS)
async def test_pages_are_read_by_an_index_each(world, monkeypatch, page, asked, indexes):
    """Whatever is asked for is found by its index in the order wanted: no table is scanned, nothing but a page is sorted."""
    for more in ({}, {"newest_first": True}) if page == "deliveries_page" else ({},):
        plans = await _plans(world, monkeypatch, page, asked, more)
        found = {step["Index Name"] for step in plans if "Index Name" in step} - {"archive_tasks_pkey"}
        assert found
        assert found <= indexes
        scanned = {step["Relation Name"] for step in plans if step["Node Type"] == "Seq Scan"}
        assert scanned - SMALL == set()
        assert [step for step in plans if step["Node Type"] == "Sort" and step["Plan Rows"] > 200] == []


SMALL = {"job_counts", "accounts", "archive_tasks"}
"""Tables with few rows."""


async def test_passing_over_events_reads_an_index_alone(world, monkeypatch):
    """Events that are not wanted are passed over without reading them."""
    plans = await _plans(world, monkeypatch, "events_page", (Span(), EventFilter(account="unknown"), 5), {})
    assert "Index Only Scan" in {step["Node Type"] for step in plans}


async def _plans(world, monkeypatch, page, asked, more):
    """The steps of how PostgreSQL answers what is read."""
    steps, fetch = [], read_connection._fetch

    async def explained(connection, sql, *parameters):
        if connection.is_in_transaction() or "EXPLAIN" not in sql:
            ((plan,),) = await fetch(connection, f"EXPLAIN (FORMAT JSON) {sql}", *parameters)
            steps.extend(_flat(json.loads(plan)[0]["Plan"]))
        return await fetch(connection, sql, *parameters)

    async with world.reader() as reader:
        await reader.last_sweep()
        with monkeypatch.context() as patched:
            patched.setattr(read_connection, "_fetch", explained)
            await getattr(reader, page)(*asked, **more)
    return steps


def _flat(plan):
    yield plan
    for part in plan.get("Plans", ()):
        yield from _flat(part)
