"""How SQLite answers what is read: each page by an index, and neither scanned nor sorted for."""

import pytest
from engines import Sqlite
from job_changes import SINCE
from written_world import written_world

from tracker.core.queries.filters import DeliveryFilter, EventFilter, JobFilter
from tracker.core.queries.pagination import JobKey, Span

BACKWARDS = Span(newest_first=True)


@pytest.fixture(scope="module")
async def world(tmp_path_factory):
    return await written_world(Sqlite(tmp_path_factory.mktemp("plans")))


BY_CREATION = "(created_at>? AND created_at<?)"
BY_END = "(ended_at>? AND ended_at<?)"
WAYS = [
    ("jobs_page", (JobKey(9, "a", "x"), JobFilter(prefix="j"), 5), f"jobs USING INDEX jobs_newest {BY_CREATION}"),
    ("jobs_page", (None, JobFilter(active=True), 5), f"jobs USING INDEX jobs_newest_active {BY_CREATION}"),
    (
        "jobs_page",
        (None, JobFilter(statuses=("FAILED",)), 5),
        "jobs USING INDEX jobs_newest_of_status (status=? AND created_at>? AND created_at<?)",
    ),
    ("jobs_page", (None, JobFilter(by_end=True), 5), f"jobs USING INDEX jobs_ended {BY_END}"),
    (
        "jobs_page",
        (JobKey(9, "a", "x"), JobFilter(by_end=True, account="a"), 5),
        "jobs USING INDEX jobs_ended_of_account (account=? AND ended_at>? AND ended_at<?)",
    ),
    (
        "jobs_page",
        (None, JobFilter(by_end=True, statuses=("FAILED",), created_after=5), 5),
        "jobs USING INDEX jobs_ended_of_status (status=? AND ended_at>? AND ended_at<?)",
    ),
    ("jobs_by_id", ("x",), "jobs USING PRIMARY KEY (account=? AND id=?)"),
    ("events_page", (Span(5), EventFilter(), 5), "events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
    ("events_page", (BACKWARDS, EventFilter(types=("*",)), 5), "events USING INDEX events_narrow (seq>? AND seq<?)"),
    ("events_page", (BACKWARDS, EventFilter(job="x"), 5), "events USING INDEX events_of_job (job=? AND seq>? AND seq<?)"),
    ("deliveries_page", (None, DeliveryFilter(), 5), "d USING INDEX deliveries_of_event ((seq,receiver)>(?,?))"),
    ("deliveries_page", (None, DeliveryFilter(states=("dead",)), 5), "d USING INDEX deliveries_open ((seq,receiver)>(?,?))"),
    (
        "deliveries_page",
        (None, DeliveryFilter(receiver="one", states=("dead",)), 5),
        "d USING INDEX deliveries_dead (receiver=? AND seq>?)",
    ),
    ("deliveries_page", (None, DeliveryFilter(receiver="one"), 5), "d USING PRIMARY KEY (receiver=? AND seq>?)"),
    ("deliveries_page", (None, DeliveryFilter(job="x"), 5), "e USING INDEX events_of_job (job=? AND seq>?)"),
    ("overview", (SINCE,), "e USING INDEX events_of_job (job=?)"),
    ("overview", (SINCE,), "e USING INDEX events_deadline (account=? AND job=?)"),
    ("overview", (SINCE,), "jobs USING INDEX jobs_ended (ended_at>?)"),
    ("overview", (SINCE,), "results USING INDEX results_archived (archived_at>?)"),
    ("backlog", ("one",), "deliveries USING INDEX deliveries_due (receiver=?)"),
]


@pytest.mark.parametrize(("page", "asked", "way"), WAYS)
async def test_pages_are_read_by_an_index_each(world, page, asked, way):
    """Whatever is asked for is searched by its index in the order wanted: nothing is scanned, nothing sorted."""
    plans = await _plans(world, page, *asked)
    assert f"SEARCH {way}" in plans
    if page == "deliveries_page":
        plans += await _plans(world, page, *asked, newest_first=True)
        assert f"SEARCH {way}".replace(">", "<") in plans
    assert not [step for step in plans if "B-TREE" in step or step.startswith(("SCAN events", "SCAN jobs", "SCAN d"))]


@pytest.mark.parametrize("span", [Span(3), BACKWARDS], ids=["forwards", "backwards"])
@pytest.mark.parametrize("account", [None, "a"])
async def test_rare_events_are_read_by_their_types(world, span, account):
    """Each type is searched for by itself, in its order: nothing but a page of each is sorted, and no event is passed over."""
    which = EventFilter(types=("batch.failed", "batch.never"), account=account)
    plans = await _plans(world, "events_page", span, which, 5)
    searches = {"rare_events USING PRIMARY KEY (type=? AND seq>? AND seq<?)", "events USING INTEGER PRIMARY KEY (rowid=?)"}
    assert {f"SEARCH {each}" for each in searches} <= set(plans)
    scanned = {step.removeprefix("SCAN ") for step in plans if step.startswith("SCAN")}
    assert not [each for each in scanned if each.startswith(("rare_events", "events", "base"))], "more than the rows of parts"


async def test_jobs_of_an_account_are_read_by_its_index(world):
    """Jobs of other accounts are not passed over; what is sorted are those of one second."""
    search = "jobs_created (account=? AND created_at>? AND created_at<?)"
    plans = await _plans(world, "jobs_page", JobKey(9, "a", "x"), JobFilter(account="a", active=False), 5)
    assert {step.replace("COVERING ", "") for step in plans} == {
        f"SEARCH jobs USING INDEX {search}",
        "USE TEMP B-TREE FOR RIGHT PART OF ORDER BY",
    }


async def _plans(engine, page, *asked, **more):
    """How SQLite answers what is read."""
    async with engine.reader() as reader:
        statements = []
        await reader._connection.set_trace_callback(statements.append)
        await getattr(reader, page)(*asked, **more)
        await reader._connection.set_trace_callback(None)
        explained = [sql for sql in statements if sql.startswith("SELECT") and "max(seq)" not in sql]
        return [row[3] for sql in explained for row in await reader._connection.execute_fetchall(f"EXPLAIN QUERY PLAN {sql}")]


@pytest.mark.parametrize(
    ("which", "index"),
    [
        (DeliveryFilter(), "SEARCH d USING INDEX deliveries_of_event ((seq,receiver)>(?,?))"),
        (DeliveryFilter(job="job-3"), "SEARCH e USING INDEX events_of_job (job=? AND seq>?)"),
    ],
)
async def test_attempts_are_read_by_an_index(world, which, index):
    """A page costs what it holds, not what else there is: neither it nor its attempts are scanned for."""
    async with world.reader() as reader:
        asked = []
        await reader._connection.set_trace_callback(asked.append)
        await reader.deliveries((4, "two"), which)
        await reader._connection.set_trace_callback(None)
        page, *attempts = [sql for sql in asked if sql.startswith(("SELECT", "WITH"))]
        plan = [row[3] for row in await reader._connection.execute_fetchall(f"EXPLAIN QUERY PLAN {page}")]
        assert "B-TREE" not in " ".join(plan)
        assert any(step.startswith(index) for step in plan), plan
        for sql in attempts:
            ways = [row[3] for row in await reader._connection.execute_fetchall(f"EXPLAIN QUERY PLAN {sql}")]
            assert "SEARCH attempts USING PRIMARY KEY (receiver=? AND seq=?)" in ways
