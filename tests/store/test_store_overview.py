"""What any engine owes to the overview: what is active by model, how jobs ended by the hour, and which need a person."""

import msgspec
import pytest
from archiving import archived_file, missing_file, results_of
from archiving import ended as to_archive
from job_changes import SINCE, gone, moved, seen

from tracker.core.events.event import batch_event
from tracker.core.events.time_limits import DEADLINE, STALLED
from tracker.core.queries.overview import HOUR, HOURS, ModelLoad, first_hour
from tracker.store.records import overview_figures

NOW = SINCE + 24 * 3_600_000
FIRST = first_hour(NOW)
DONE = {"total_requests": 40, "completed_requests": 40}


async def overview(engine, now=NOW):
    async with engine.reader() as reader:
        return await reader.overview(now)


def ended(id_, hour, status="SUCCESS", **properties):
    """A job that ended within that hour, counted from the first one."""
    at = FIRST + hour * HOUR + 1800
    return seen(id_, status=status, completed_at=at, **DONE | {"succeeded_requests": 40} | properties)


async def test_an_empty_log_has_an_empty_overview(engine, store):  # noqa: ARG001 - the store makes what is read
    """Nothing is active, nothing ended, and each of the 24 hours is there."""
    found = await overview(engine)
    assert (found.active, found.read, found.models, found.stalled, found.failing, found.missing_results) == (
        0,
        0,
        (),
        (),
        (),
        0,
    )
    assert [hour.begins_at for hour in found.hours] == [FIRST + number * HOUR for number in range(HOURS)]
    assert not any(hour.ended for hour in found.hours)


async def test_active_jobs_are_counted_by_model(engine, store):
    """Running and queued ones of each model, the most active first, with when the first of a queue was created."""
    await store.record(
        "default",
        [
            seen("one", model="small", status="RUNNING"),
            seen("two", model="small", created_at=2000),
            seen("three", model="small", created_at=1000),
            seen("four", model="large", status="CANCELLATION_REQUESTED"),
            seen("five", model="large", status="SUCCESS"),
            gone(seen("six", model="large", status="RUNNING")),
        ],
    )
    await store.record("other", [seen("one", account="other", status="UNHEARD_OF")])
    found = await overview(engine)
    assert (found.active, found.read) == (5, 5)
    assert found.models == (
        ModelLoad(model="small", running=1, queued=2, waiting_since=1000),
        ModelLoad(model="", running=1),
        ModelLoad(model="large", running=1),
    )
    assert [each.model for each in found.queues] == ["small"]


async def test_of_very_many_jobs_the_oldest_and_the_newest_are_read(engine, store, monkeypatch):
    """The number of active jobs is exact however many there are; which ones wait longest is seen."""
    monkeypatch.setattr(overview_figures, "MAX_ACTIVE", 4)
    await store.record("default", [seen(f"job-{at}", created_at=at, model=f"model-{at}") for at in range(10)])
    found = await overview(engine)
    assert (found.active, found.read) == (10, 4)
    assert sorted(each.model for each in found.models) == ["model-0", "model-1", "model-8", "model-9"]
    assert found.queues[0].waiting_since == 0


async def test_ends_are_counted_by_the_hour(engine, store):
    """By how the job ended: a SUCCESS by its outcome, also without a time of the API; what ended before is left out."""
    await store.record(
        "default",
        [
            ended("too-old", -1),
            ended("whole", 0),
            ended("part", 1, succeeded_requests=3),
            ended("nothing", 1, succeeded_requests=0),
            ended("empty", 1, total_requests=0, succeeded_requests=0),
            ended("failed", 2, "FAILED"),
            ended("late", 3, "TIMEOUT_EXCEEDED"),
            ended("stopped", 3, "CANCELLED"),
            ended("ahead", 30),
            moved(seen("no-time", status="RUNNING"), now=NOW, status="FAILED"),
            gone(seen("deleted", status="RUNNING"), now=NOW),
        ],
    )
    hours = (await overview(engine)).hours
    fields = ("succeeded", "partial", "failed", "expired", "cancelled")
    assert [tuple(getattr(hour, field) for field in fields) for hour in hours[:4]] == [
        (1, 0, 0, 0, 0),
        (1, 1, 1, 0, 0),
        (0, 0, 1, 0, 0),
        (0, 0, 0, 1, 1),
    ]
    assert (hours[-1].succeeded, hours[-1].failed, sum(hour.ended for hour in hours)) == (1, 1, 9)
    assert [hour.bad for hour in hours[:4]] == [0, 2, 1, 1]


async def test_hours_that_are_not_read_whole_are_not_counted(engine, store, monkeypatch):
    """Of more ends than are read, the hour in which the reading ended, and those before, say that they are not counted."""
    monkeypatch.setattr(overview_figures, "MAX_ENDS", 3)
    await store.record("default", [ended(f"{hour}-{number}", hour) for hour in (20, 21, 22, 23) for number in range(2)])
    hours = (await overview(engine)).hours
    assert [(hour.counted, hour.ended) for hour in hours[20:]] == [(False, 0), (False, 0), (False, 0), (True, 2)]


async def test_jobs_that_need_a_person_are_named(engine, store):
    """Stalled until it moves, near its deadline, and failing with the share of its requests; only while it is active."""
    changes = {name: seen(name, status="RUNNING", **DONE) for name in ("stalled", "moves-again", "said-more", "near", "over")}
    await store.record("default", list(changes.values()))
    said = [(STALLED, "stalled"), (STALLED, "moves-again"), (STALLED, "said-more"), (DEADLINE, "said-more"), (DEADLINE, "near")]
    said += [(STALLED, "over"), (DEADLINE, "over")]
    await store.append([batch_event(type_, "default", changes[name].known.job, {}, SINCE + 5) for type_, name in said])
    later = SINCE + 10
    await store.record(
        "default",
        [
            moved(changes["moves-again"], now=later, succeeded_requests=1),
            moved(changes["over"], now=later, status="FAILED"),
            seen("fails", status="RUNNING", succeeded_requests=5, failed_requests=15),
            seen("fails-less", status="RUNNING", succeeded_requests=39, failed_requests=1),
            seen("too-early", status="RUNNING", succeeded_requests=0, failed_requests=19),
        ],
    )
    found = await overview(engine)
    assert {id_ for _, id_ in found.stalled} == {"stalled", "said-more"}
    assert {id_ for _, id_ in found.near_deadline} == {"near", "said-more"}
    assert [(job.id, job.share) for job in found.failing] == [("fails", 0.75), ("fails-less", 0.025)]


@pytest.fixture
async def archiving(engine):
    async with engine.store() as store:
        store.archive.enable(["default"])
        yield store


async def test_missing_results_of_the_last_day_are_counted(engine, archiving):
    """Those of which a file is missing, or all are; not those that are archived whole, nor those of the days before."""
    whole = {"files": (archived_file(),), "missing": ()}
    for number, (files, at) in enumerate(
        [
            (whole, NOW),
            ({"files": (archived_file(),), "missing": (missing_file(),)}, NOW),
            ({"files": (), "missing": (missing_file(),)}, NOW),
            ({"files": (), "missing": (missing_file(),)}, FIRST * 1000 - 1),
        ]
    ):
        change = to_archive(f"job-{number}")
        await archiving.record("default", [change])
        await archiving.archive.record(msgspec.structs.replace(results_of(change), archived_at=at, **files))
    assert (await overview(engine)).missing_results == 2


async def test_what_is_no_text_costs_no_overview(engine, store):
    """A model or a file of another type, as the API may send it, is read over; the job counts."""
    await store.record(
        "default",
        [
            seen("odd", model={"name": "small"}, status="RUNNING", output_file=["f"]),
            seen("plain", model="small", status="RUNNING"),
            seen("over", model=7, status="SUCCESS", output_file={"id": "f"}, completed_at=FIRST + 1800, **DONE),
        ],
    )
    found = await overview(engine)
    assert found.models == (ModelLoad(model="", running=1), ModelLoad(model="small", running=1))
    assert sum(hour.ended for hour in found.hours) == 1
