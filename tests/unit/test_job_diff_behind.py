"""How an older answer is distinguished from a newer one, and which properties stay if an answer lacks them."""

import pytest
from core_samples import ABSENT, ANSWER, job

from tracker.core.events.job_diff import MAY_BE_ABSENT, is_behind, without_losses
from tracker.core.jobs.job import COUNTERS
from tracker.core.jobs.status import is_terminal


@pytest.mark.parametrize(
    ("known", "seen", "behind"),
    [
        ("QUEUED", "RUNNING", False),
        ("RUNNING", "QUEUED", True),
        ("CANCELLATION_REQUESTED", "RUNNING", True),
        ("CANCELLATION_REQUESTED", "SUCCESS", False),
        ("SUCCESS", "RUNNING", True),
        ("SUCCESS", "FAILED", True),
        ("CANCELLED", "SUCCESS", True),
        ("PAUSED", "SUCCESS", False),
        ("SUCCESS", "PAUSED", True),
    ],
)
@pytest.mark.parametrize("counted", [-1, 0, 1])
def test_the_status_decides_where_it_differs(known, seen, behind, counted):
    """An end is news even with smaller counters, and a status that may not follow is old even with larger ones.

    One that may follow and is no end is old with smaller counters, as a cancellation that was withdrawn since.
    """
    later = job(status=seen, completed_requests=900 + counted, output_file=None)
    fell = counted < 0 and not is_terminal(seen)
    assert is_behind(later, job(status=known)) is (behind or fell)


@pytest.mark.parametrize(("known", "seen"), [("RUNNING", "PAUSED"), ("PAUSED", "QUEUED"), ("PAUSED", "WAITING")])
def test_the_rest_decides_where_a_status_is_outside_the_schema(known, seen):
    """Their order is unknown: an answer is old if a counter is smaller or a property is lost."""
    assert not is_behind(job(status=seen), job(status=known))
    assert is_behind(job(status=seen, completed_requests=ANSWER["completed_requests"] - 1), job(status=known))
    assert is_behind(job(status=seen, started_at=None), job(status=known))


@pytest.mark.parametrize("name", COUNTERS)
@pytest.mark.parametrize("status", ["RUNNING", "SUCCESS", "PAUSED"])
def test_a_counter_that_fell_is_behind(name, status):
    """With the same status an answer is older if any counter is smaller, whatever the others say."""
    known = job(status=status)
    others = {other: ANSWER[other] + 5 for other in COUNTERS if other != name}
    assert is_behind(job(status=status, **{name: ANSWER[name] - 1}, **others), known)
    assert not is_behind(job(status=status, **{name: ANSWER[name] + 1}), known)
    assert not is_behind(known, known)


@pytest.mark.parametrize("value", [None, "", [], {}])
@pytest.mark.parametrize("name", ["agent_id", "errors", "outputs"])
def test_what_is_beyond_the_schema_and_was_lost(name, value):
    """A property that was there and is null or empty is a loss; one that was left out is not, lists may say less."""
    known = job(**{name: "kept"})
    assert is_behind(job(**{name: value}), known)
    assert without_losses(job(**{name: value}), known) == known
    assert not is_behind(job(), known)
    assert without_losses(job(), known) == job()


@pytest.mark.parametrize("value", [None, ABSENT])
@pytest.mark.parametrize("name", [name for name in ANSWER if name in MAY_BE_ABSENT and name != "object"])
def test_what_the_schema_has_and_was_lost(name, value):
    """A property of the schema that was there and is null or absent is a loss, and without losses it is kept."""
    assert is_behind(job(**{name: value}), job())
    assert without_losses(job(**{name: value}), job()) == job()


@pytest.mark.parametrize("known", [0, False])
def test_zero_can_be_lost_too(known):
    """0 and false are values: their loss is doubted like any other, and they are no loss themselves."""
    assert is_behind(job(errors=None), job(errors=known))
    assert without_losses(job(errors=None), job(errors=known)) == job(errors=known)
    assert not is_behind(job(errors=known), job(errors=["a"]))


@pytest.mark.parametrize(
    "changed",
    [{"model": "other"}, {"metadata": {"a": "b"}}, {"errors": ["a"]}, {"new": 1}, {"created_at": 5}, {"input_files": ["a"]}],
)
def test_another_value_is_not_a_loss(changed):
    """A property that changed or appeared makes no answer old, and nothing of the known job is put back."""
    assert not is_behind(job(**changed), job())
    assert without_losses(job(**changed), job()) == job(**changed)


def test_only_what_was_lost_is_put_back():
    """Of an answer that moves the job on and lacks something, what moved is kept and what it lacks is put back."""
    seen = job(status="SUCCESS", completed_requests=1000, model=None, metadata=None, errors=["a"])
    whole = job(status="SUCCESS", completed_requests=1000, errors=["a"])
    assert without_losses(seen, job(errors=["a"])) == whole


def test_what_may_be_absent():
    """It is all that a job can be read without, and not our own field for what is unknown."""
    assert {*MAY_BE_ABSENT} == {*ANSWER, "agent_id", "errors", "outputs"} - {"id", "status", "created_at", *COUNTERS}
