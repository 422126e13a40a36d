"""A job without a counter, or with a number written in another way, is tracked by what is known of it."""

import json

import pytest
from core_samples import ABSENT, ANSWER, CHECKPOINT, NOW, WINDOW, answer, body, job
from msgspec import UNSET

from tracker.core.events.job_diff import Known, first_seen
from tracker.core.jobs.job import COUNTERS, Job, MalformedJob, PartialJob
from tracker.core.jobs.job_reading import parse_job, parse_page
from tracker.core.jobs.missing_fields import as_tracked
from tracker.core.reconciliation.reconcile import Reconciliation

CREATED = ANSWER["created_at"]
LARGEST = 2**53 - 1
NO_COUNTERS = [ABSENT, None, "880", -1, 1000.5, True, LARGEST + 1, 10**100, 1e300, 10**400, float("nan"), {"n": 1}, []]
NO_TIMES = [ABSENT, None, "2025-06-25T14:20:10Z", -1, 253_402_300_800, 1e300, float("inf"), [], False]


def named(value):
    return "absent" if value is ABSENT else f"{value!r:.30}"


def read(**changed):
    """The job as it is read alone; on a page it is the same."""
    alone = parse_job(body(**changed))
    assert parse_page(b'{"total": 1, "data": [%s]}' % body(**changed)).jobs == (alone,)
    return alone


@pytest.mark.parametrize("value", NO_COUNTERS, ids=named)
@pytest.mark.parametrize("name", COUNTERS)
def test_counter_that_is_none_is_the_last_known_value(name, value):
    """A counter that is absent, null or no number is what was known last, or 0; nothing of it is kept as it came."""
    partial = read(**{name: value})
    assert isinstance(partial, PartialJob)
    assert partial.absent == (name,)
    assert as_tracked(partial, job(**{name: 7}), NOW) == job(**{name: 7})
    assert as_tracked(partial, None, NOW) == job(**{name: 0})


@pytest.mark.parametrize("value", NO_TIMES, ids=named)
def test_creation_time_that_is_none_is_guessed(value):
    """A job without a creation time has the known one, else the earliest time that it names, else when it was observed."""
    known, now = job(created_at=5), NOW // 1000
    partial = read(created_at=value, started_at=70, completed_at=60)
    assert as_tracked(partial, known, NOW).created_at == 5
    assert as_tracked(partial, None, NOW).created_at == 60
    assert as_tracked(read(created_at=value, started_at=None, completed_at=None), None, NOW).created_at == now


@pytest.mark.parametrize("name", [*COUNTERS, "created_at", "started_at", "completed_at"])
def test_whole_number_is_one_however_it_is_written(name):
    """1750861210.0 and 1.75086121e9 are 1750861210, for counters and times alike."""
    for text in ("1750861210.0", "1.75086121e9", "1750861210"):
        sent = json.dumps(answer(**{name: "HERE"})).replace('"HERE"', text).encode()
        assert repr(parse_job(sent)) == repr(job(**{name: 1_750_861_210}))


def test_fraction_of_a_second_does_not_hide_a_creation():
    """A creation time with a fraction is the second that had begun."""
    assert read(created_at=CREATED + 0.9) == job()


@pytest.mark.parametrize(("text", "total"), [("250.0", 250), ("2.5e2", 250), ("250.5", None)], ids=str)
def test_total_of_a_page_is_whole_however_it_is_written(text, total):
    """The total of a list may be written as N.0 too."""
    assert parse_page(b'{"data": [], "total": %s}' % text.encode()).total == total


def test_job_that_lacks_everything_but_its_id_and_status_is_tracked():
    """An id and a status are enough; without one of them the job is named as one that cannot be read."""
    bare = parse_job(b'{"id": "a", "status": "FAILED"}')
    assert as_tracked(bare, None, NOW) == Job(
        id="a",
        status="FAILED",
        created_at=NOW // 1000,
        total_requests=0,
        completed_requests=0,
        succeeded_requests=0,
        failed_requests=0,
    )
    assert isinstance(parse_job(b'{"id": "a", "created_at": 1}'), MalformedJob)
    assert isinstance(parse_job(b'{"status": "FAILED", "created_at": 1}'), MalformedJob)


def test_what_else_a_partial_job_has_is_kept():
    """Unknown properties, and optional ones of another type, are kept as they came also where a counter is missing."""
    partial = read(failed_requests=None, model=7, new={"a": 1}, errors=None, metadata={"n": 5})
    tracked = as_tracked(partial, None, NOW)
    assert tracked.extra == {"model": 7, "new": {"a": 1}}
    assert (tracked.errors, tracked.metadata, tracked.agent_id) == (None, {"n": 5}, UNSET)
    assert tracked.to_data() == ANSWER | {
        "failed_requests": 0,
        "model": 7,
        "new": {"a": 1},
        "errors": None,
        "metadata": {"n": 5},
    }
    assert "failed_requests" not in partial.to_data()
    assert parse_job(json.dumps(partial.to_data()).encode()) == partial


@pytest.mark.parametrize("status", ["FAILED", "SUCCESS", "CANCELLED", "TIMEOUT_EXCEEDED"])
@pytest.mark.parametrize("value", [None, ABSENT], ids=["null", "absent"])
def test_end_of_a_job_is_logged_without_a_counter(status, value):
    """A running job that ends with a counter null or absent has ended, with the last known value; then nothing changes."""
    known, looking = Known(job(completed_at=None)), Reconciliation("default", CHECKPOINT, WINDOW)
    ending = read(status=status, failed_requests=value)
    (change,) = looking.observe([ending], {known.job.id: known}, NOW)
    (event,) = change.events
    assert event.changes == {"status": ("RUNNING", status), "completed_at": (None, ANSWER["completed_at"])}
    assert event.data == ANSWER | {"status": status}
    assert looking.observe([ending], {known.job.id: change.known}, NOW) == []
    assert looking.stale == 0


def test_new_job_without_a_counter_is_tracked():
    """It is created with 0 in that place, and moves on once the counter is there."""
    looking = Reconciliation("default", CHECKPOINT, WINDOW)
    (change,) = looking.observe([read(failed_requests=None, created_at=ABSENT)], {}, NOW)
    assert [event.type for event in change.events] == ["batch.created", "batch.started"]
    assert change.known.job.failed_requests == 0
    (after,) = looking.observe([job()], {change.known.job.id: change.known}, NOW)
    assert after.known.job == job()
    assert after.known == first_seen("default", job(), NOW).known
