"""What a sweep costs in requests, and that it misses nothing for it."""

import sqlite3
from contextlib import closing

import pytest
from matrix import matrix
from sweep_world import HOUR, SweepWorld


def types(report):
    return [event.type for event in report.events]


async def test_nothing_going_on_costs_one_request(tmp_path):
    """An empty workspace, and one whose jobs have all ended, cost a request a sweep, two at most."""
    async with SweepWorld(tmp_path / "tracker.db").running() as watched:
        await watched.sweep()
        assert (await watched.sweep())[1] <= 2
        watched.end(watched.add(250))
        watched.at += 300
        await watched.sweep()
        costs = [(await watched.sweep())[1] for _ in range(25)]
        assert max(costs) <= 2
        assert sum(costs) < 30


@pytest.mark.parametrize("ended_between", matrix([0, 4000]), ids=["all active", "among 4,000 that ended"])
async def test_thousand_active_jobs_cost_twelve_requests(tmp_path, ended_between):
    """A quiet sweep over 1,000 active jobs costs at most 12 requests, however many others there are."""
    async with SweepWorld(tmp_path / "tracker.db").running() as watched:
        watched.add(500, created=-5 * HOUR)
        watched.add(ended_between, created=-4 * HOUR, running=1.0)
        watched.add(500, created=-2 * HOUR)
        await watched.sweep()
        for _ in range(25):
            report, cost = await watched.sweep()
            assert (report.events, report.failure) == ((), None)
            assert cost <= 12


@pytest.mark.parametrize(
    "ending",
    matrix([slice(0, 300), slice(700, 1000), slice(0, 1000, 3), slice(300, 900, 2)]),
    ids=["the oldest", "the newest", "every third", "every other in the middle"],
)
@pytest.mark.parametrize("others", matrix([0, 3000]), ids=["", "among 3,000 others"])
async def test_three_hundred_ends_cost_eight_more(tmp_path, ending, others):
    """Of 1,000 active jobs 300 and more end within an interval: at most 8 requests more, and every end is logged."""
    async with SweepWorld(tmp_path / "tracker.db").running() as watched:
        watched.add(others, created=-6 * HOUR, running=1.0)
        active = watched.add(1000, created=-3 * HOUR)
        await watched.sweep()
        _, quiet = await watched.sweep()
        watched.end(active[ending])
        report, cost = await watched.sweep()
        assert types(report) == ["batch.failed"] * len(active[ending])
        assert cost <= quiet + 8


@pytest.mark.slow
async def test_ends_far_apart_cost_a_request_each_at_most(tmp_path):
    """Few jobs that end among thousands of others are asked for by their IDs."""
    async with SweepWorld(tmp_path / "tracker.db").running() as watched:
        sparse = [watched.add(1, created=-day * 24 * HOUR)[0] for day in range(1, 6)]
        for day in range(1, 6):
            watched.add(500, created=-day * 24 * HOUR + 60, running=1.0)
        await watched.sweep()
        _, quiet = await watched.sweep()
        watched.end(sparse[:4])
        report, cost = await watched.sweep()
        assert types(report) == ["batch.failed"] * 4
        assert cost <= quiet + 4 + 1


async def test_jobs_that_came_and_ended_between_two_sweeps_are_found(tmp_path):
    """A burst of 250 jobs that live for a second is logged whole, created and ended, for its pages and no more."""
    async with SweepWorld(tmp_path / "tracker.db").running() as watched:
        watched.add(10)
        await watched.sweep(60)
        watched.add(250, created=61, running=1.0)
        report, cost = await watched.sweep(400)
        assert types(report) == ["batch.created", "batch.completed"] * 250
        assert cost <= 6


async def test_return_after_a_day_finds_every_end_and_every_new_job(tmp_path):
    """A tracker that was away for a day logs each end it missed, and each job that came and went, with the true times."""
    watched = SweepWorld(tmp_path / "tracker.db")
    async with watched.running():
        known = watched.add(150)
        await watched.sweep(200)
    watched.at += 1000
    watched.end(known[:120])
    new = watched.add(130, created=2 * HOUR, running=30.0)
    async with watched.running():
        report, _ = await watched.sweep(24 * HOUR)
        assert report.failure is None
        ended = {event.data["id"]: event for event in report.events if event.type in ("batch.failed", "batch.completed")}
        assert ended.keys() == {*known[:120], *new}
        for id_, event in ended.items():
            assert event.created_at == int(watched.workspace.plans[id_].ended)
        again, _ = await watched.sweep()
        assert again.events == ()


async def test_first_contact_logs_history_but_marks_it(tmp_path):
    """What was over before the first contact is logged as backfilled; what ends later, or is older than `backfill`, is not."""
    watched = SweepWorld(tmp_path / "tracker.db")
    async with watched.running():
        ancient = watched.add(5, created=-8 * 24 * HOUR, running=60.0)
        over = watched.add(120, created=-2 * HOUR, running=60.0)
        active = watched.add(130, created=-1 * HOUR)
        old_but_active = watched.add(3, created=-30 * 24 * HOUR)
        report, _ = await watched.sweep()
        assert {event.data["id"] for event in report.events} == {*over, *active, *old_but_active}
        watched.end(active[:2])
        await watched.sweep()
    with closing(sqlite3.connect(tmp_path / "tracker.db")) as database:
        jobs = [(job, backfilled) for job, backfilled in database.execute("SELECT DISTINCT job, backfilled FROM events")]
    assert sorted(jobs) == sorted([(job, 1) for job in over] + [(job, 0) for job in [*active, *old_but_active]])
    assert set(ancient).isdisjoint(job for job, _ in jobs)


async def test_deleted_job_is_believed_a_minute_later(tmp_path):
    """An active job that the API no longer has is asked for by id, again after a minute and not before; an ended job stays."""
    async with SweepWorld(tmp_path / "tracker.db").running() as watched:
        first, second, over = watched.add(3)
        await watched.sweep()
        watched.end([over])
        await watched.sweep()
        for id_ in (first, over):
            watched.workspace.delete(id_, watched.at)
        assert [types((await watched.sweep())[0]) for _ in range(4)] == [[]] * 4
        assert watched.simulator.requests["get"] == 1
        report, _ = await watched.sweep()
        assert watched.simulator.requests["get"] == 2
        assert [(event.type, event.data["id"]) for event in report.events] == [("batch.deleted", first)]
        assert [types((await watched.sweep())[0]) for _ in range(3)] == [[], [], []]
        watched.end([second])
        assert types((await watched.sweep())[0]) == ["batch.failed"]
