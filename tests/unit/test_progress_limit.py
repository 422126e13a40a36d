"""Which progress is logged at once, which waits, and what the event says that comes in the end."""

import msgspec
import pytest
from core_samples import ANSWER, NOW, Sweeps, job

from tracker.core.events.failure_share import AT_RISK
from tracker.core.events.job_diff import Known, Unlogged, deletion, diff
from tracker.core.events.progress_limit import due_changes, limited, next_due

ID = ANSWER["id"]
EVERY = 60_000


def counted(done, total=1000, failed=0, **properties):
    counters = {"completed_requests": done, "succeeded_requests": done - failed, "failed_requests": failed}
    return job(status="RUNNING", completed_at=None, output_file=None, total_requests=total, **counters, **properties)


def is_logged(logged, seen, *, after, every=EVERY):
    """Whether the change is logged that is seen `after` milliseconds after the last one that was logged."""
    known = Known(logged, logged_at=NOW)
    change = limited(diff("default", known, seen, NOW + after), known, every, NOW + after)
    assert change.known.job == seen
    assert change.known.logged == (seen if change.events else logged)
    assert change.known.logged_at == (NOW + after if change.events else NOW)
    return bool(change.events)


@pytest.mark.parametrize(
    ("logged", "seen", "after", "expected"),
    [
        (counted(0), counted(1), 1, True),  # the first
        (counted(1), counted(2), 1, False),
        (counted(1), counted(99), 59_999, False),
        (counted(1), counted(2), 60_000, True),  # long enough
        (counted(1), counted(2), -1, True),  # the clock was put back: how long it was is unknown
        (counted(99), counted(100), 1, True),  # a tenth
        (counted(99), counted(350), 1, True),
        (counted(100), counted(199), 1, False),
        (counted(900), counted(999), 1, False),
        (counted(999), counted(1000), 1, True),  # the last
        (counted(1000, failed=0), counted(1000, failed=1), 1, True),
        (counted(5), counted(5, total=1001), 1, True),  # another number of requests is more than progress
        (counted(3, total=0), counted(4, total=0), 1, False),  # their number is unknown
        (counted(3, total=0), counted(4, total=0), 60_000, True),
        (counted(3, total=7), counted(4, total=7), 1, True),  # each request of a small job is more than a tenth
        (counted(500), counted(450), 1, True),  # a fall that is believed passes tenths too
    ],
)
def test_progress_is_logged_when_it_says_something(logged, seen, after, expected):
    """The first and the last, each tenth, and after a time whatever it is; the rest is only known."""
    assert is_logged(logged, seen, after=after) is expected


def test_with_no_limit_each_change_is_logged():
    """That is "0s"."""
    assert is_logged(counted(1), counted(2), after=0, every=0)


@pytest.mark.parametrize("changed", [{"status": "SUCCESS"}, {"metadata": {"a": "b"}}])
def test_any_other_change_is_logged_at_once(changed):
    """A status or another property never waits, and brings the counters with it."""
    seen = msgspec.structs.replace(counted(2), **changed)
    assert is_logged(counted(1), seen, after=1)


def test_event_leads_from_what_was_logged():
    """What was only seen between two events leaves no gap: the later one says what the log had before."""
    sweeps = started(counted(20), counted(30))
    assert sweeps.known[ID].job == counted(30)
    assert sweeps([counted(110)]) == ["batch.progress"]
    (event,) = sweeps.log
    assert event.changes == {"completed_requests": (1, 110), "succeeded_requests": (1, 110)}
    assert sweeps.known[ID] == Known(counted(110), logged_at=sweeps.now)


def started(*seen, **options):
    """Sweeps over a job of which one request is done and logged at the first of them, and these were seen since."""
    sweeps = Sweeps(counted(0), progress_every=EVERY, **options)
    assert sweeps([counted(1)]) == ["batch.progress"]
    for each in seen:
        assert sweeps([each]) == []
    return sweeps


def test_what_waits_is_logged_when_it_is_due_though_nothing_changes_any_more():
    """An answer that is the same again and again brings what was seen in its time, once."""
    sweeps = started(counted(2))
    assert [sweeps([counted(2)]) for _ in range(6)] == [[], [], ["batch.progress"], [], [], []]


def test_what_waits_is_logged_though_the_job_is_not_shown():
    """A sweep that shows nothing logs what is due, as observed when it was seen."""
    sweeps = started(counted(2))
    seen_at = sweeps.now
    assert [sweeps() for _ in range(4)] == [[], [], ["batch.progress"], []]
    sweeps = started(counted(2))
    for _ in range(3):
        sweeps()
    (event,) = sweeps.log
    assert event.observed_at.endswith("Z")
    assert sweeps.known[ID].logged_at == seen_at


def test_next_due_is_when_the_first_progress_is_due():
    """The loop can then log it where no sweep comes in time."""
    sweeps = started()
    assert sweeps.memory.progress_due is None
    logged_at = sweeps.now
    sweeps([counted(2)])
    assert sweeps.memory.progress_due == logged_at + EVERY
    sweeps([counted(150)])
    assert sweeps.memory.progress_due is None


def test_progress_before_another_change_is_an_event_of_its_own():
    """An update stays an update, for those who wait for one, and says nothing of counters."""
    sweeps = started(counted(2))
    assert sweeps([counted(2, metadata={"a": "b"})]) == ["batch.progress", "batch.updated"]
    progress, update = sweeps.log
    assert progress.changes == {"completed_requests": (1, 2), "succeeded_requests": (1, 2)}
    assert [*update.changes] == ["metadata"]


def test_end_of_a_job_brings_its_counters():
    """A status is one event, from what the log has."""
    sweeps = started(counted(2))
    ended = msgspec.structs.replace(counted(2), status="FAILED")
    assert sweeps([ended]) == ["batch.failed"]
    assert sweeps.log[0].changes["completed_requests"] == (1, 2)
    assert sweeps.known[ID].unlogged is None


def test_deletion_brings_the_counters():
    """What was only seen of a job is in its last event."""
    change = deletion("default", Known(counted(2), logged_at=NOW, unlogged=Unlogged(counted(1), NOW)), NOW)
    (event,) = change.events
    assert event.changes == {"deleted": (False, True), "completed_requests": (1, 2), "succeeded_requests": (1, 2)}
    assert change.known == Known(counted(2), deleted=True, logged_at=NOW)


def test_fall_back_to_what_is_logged_is_no_event():
    """Counters that are as they were logged, which two sweeps confirm, leave nothing to log."""
    sweeps = started(counted(2), every=10_000)
    known_at = sweeps.known[ID].logged_at
    assert sweeps([counted(1)]) == sweeps([counted(1)]) == []
    assert sweeps.known[ID] == Known(counted(1), logged_at=known_at)
    assert sweeps.memory.progress_due is None
    assert [sweeps([counted(1)]) for _ in range(6)] == [[]] * 6


def test_answer_behind_what_was_seen_is_stale():
    """What was seen counts, though the log has less."""
    sweeps = started(counted(20))
    assert sweeps([counted(10)]) == []
    assert (sweeps.stale, sweeps.known[ID].job) == (1, counted(20))


def test_risk_is_logged_at_once_with_its_counters():
    """The event of a job at risk is about the job as the log has it: its progress does not wait."""
    sweeps = started(counted(30), failed_share=0.5)
    assert sweeps([counted(60, failed=30)]) == ["batch.progress", AT_RISK]
    assert sweeps.log[0].changes["completed_requests"] == (1, 60)


def test_due_changes_are_of_the_jobs_whose_time_is_over():
    """Of several jobs each has its own time; one that has nothing unlogged is left out."""
    waiting = [Known(counted(2), logged_at=NOW + at, unlogged=Unlogged(counted(1), NOW + at + 5)) for at in (0, 1)]
    known = [*waiting, Known(counted(2), logged_at=NOW)]
    assert next_due(known, EVERY) == NOW + EVERY
    assert next_due(known[2:], EVERY) is None
    assert due_changes("default", known, (), EVERY, NOW + EVERY - 1) == []
    (change,) = due_changes("default", known, (), EVERY, NOW + EVERY)
    assert change.known == Known(counted(2), logged_at=NOW + 5)
    (change,) = due_changes("default", known, {ID}, EVERY, NOW + EVERY)
    assert change.known == Known(counted(2), logged_at=NOW + EVERY)
