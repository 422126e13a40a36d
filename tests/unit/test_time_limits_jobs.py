"""A job that is stalled or runs out of time gives an event once, as of the last complete sweep."""

from itertools import pairwise

import pytest
from core_samples import ANSWER, job
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.events.event import Reminder, iso
from tracker.core.events.time_limits import (
    DEADLINE,
    STALLED,
    ActiveJobStatus,
    Clocks,
    TimeLimits,
    overdue_events,
    timeout_hours,
)
from tracker.core.jobs.status import ACTIVE, TERMINAL

HOUR = 3_600_000
CREATED = ANSWER["created_at"] * 1000
LIMITS = TimeLimits(stalled_after=3600, timeout_hours=10)
MOVED = CREATED + 2 * HOUR


def expected(standing, swept_at, now=None, limits=LIMITS, jumped_at=0, provider_ahead=0):
    """The types of what there is to say."""
    now, clocks = swept_at if now is None else now, Clocks(jumped_at, provider_ahead)
    return [event.type for event in overdue_events("default", [standing], limits, swept_at, now, clocks)]


def standing(moved_at=MOVED, *, stalled=False, warned=False, **properties):
    reminder = Reminder(number=1, first_at=iso(moved_at), last_at=iso(moved_at)) if stalled else None
    return ActiveJobStatus(job=job(**properties), moved_at=moved_at, reminder=reminder, warned=warned)


@pytest.mark.parametrize(("after", "types"), [(HOUR - 1, []), (HOUR, [STALLED]), (HOUR + 1, [STALLED])])
def test_a_job_stands_still_from_the_configured_time_on(after, types):
    """What has not moved for just as long as configured stands still, and not a millisecond before."""
    assert expected(standing(), MOVED + after) == types


@pytest.mark.parametrize(
    ("status", "types"), [("RUNNING", [STALLED]), ("QUEUED", []), ("CANCELLATION_REQUESTED", []), ("NEW", [])]
)
def test_only_what_runs_can_stand_still(status, types):
    """A job that waits, is being cancelled or has an unknown status is not expected to move."""
    assert expected(standing(status=status), MOVED + 2 * HOUR) == types


@pytest.mark.parametrize("moved_at", [MOVED - 48 * HOUR, MOVED + 48 * HOUR], ids=["on", "back"])
@pytest.mark.parametrize(("after", "types"), [(-1, []), (HOUR - 1, []), (HOUR, [STALLED])])
def test_a_clock_that_jumped_makes_no_job_stand_still(moved_at, after, types):
    """Neither set on nor set back does it say how long a job has not moved: that counts from the jump."""
    assert expected(standing(moved_at, warned=True), MOVED + after, jumped_at=MOVED) == types
    assert expected(standing(MOVED + 1, warned=True), MOVED + 1 + after, jumped_at=MOVED) == types


def test_a_sweep_that_is_still_to_come():
    """That a sweep was whole two days later, by a clock that was set back since, is no witness of those two days."""
    assert expected(standing(), MOVED + 48 * HOUR, MOVED + HOUR - 1, jumped_at=MOVED) == []


def test_a_move_that_is_still_to_come():
    """A job whose last change is in the future, as the clock was set back while the tracker was down, is not stalled."""
    assert expected(standing(MOVED + 48 * HOUR, warned=True), MOVED + HOUR) == []


@pytest.mark.parametrize(("after", "types"), [(8 * HOUR - 1, []), (8 * HOUR, [DEADLINE]), (80 * HOUR, [DEADLINE])])
@pytest.mark.parametrize("status", [*ACTIVE, "NEW"])
def test_the_deadline_comes_near_at_four_fifths(status, after, types):
    """Whatever an active job is doing, its time runs out from 80 % of the assumed time-out on, counted from its creation."""
    assert expected(standing(stalled=True, status=status), CREATED + after) == types


@pytest.mark.parametrize("status", TERMINAL)
def test_nothing_is_reported_of_what_is_over(status):
    """A job that has ended neither stands still nor is late."""
    assert expected(standing(status=status), CREATED + 1000 * HOUR) == []


@pytest.mark.parametrize(
    ("stalled", "warned", "types"),
    [(False, False, [STALLED, DEADLINE]), (True, False, [DEADLINE]), (False, True, [STALLED]), (True, True, [])],
)
def test_what_was_reported_is_not_reported_again(stalled, warned, types):
    """Each event is due unless it was logged, whether or not the other was."""
    assert expected(standing(stalled=stalled, warned=warned), CREATED + 100 * HOUR) == types


def test_only_a_whole_sweep_is_a_witness():
    """However late it is by the clock, a job is judged as of the last complete sweep."""
    assert expected(standing(), MOVED + HOUR - 1, now=MOVED + 1000 * HOUR) == []


@pytest.mark.parametrize("ahead", [-3 * HOUR, 0, 3 * HOUR], ids=["behind", "right", "ahead"])
def test_a_deadline_is_reckoned_by_the_provider_s_clock(ahead):
    """The clock of a job's creation may be hours ahead of ours or behind it: its deadline is neither sooner nor later."""
    moving = standing(MOVED + 100 * HOUR)
    assert expected(moving, CREATED - ahead + 8 * HOUR - 1, provider_ahead=ahead) == []
    assert expected(moving, CREATED - ahead + 8 * HOUR, provider_ahead=ahead) == [DEADLINE]


def test_the_events():
    """They carry the job as it is and no change; they happened when the time was up, and were observed later."""
    stalled, deadline = overdue_events("default", [standing()], LIMITS, CREATED + 9 * HOUR, CREATED + 9 * HOUR + 5)
    assert stalled.data == deadline.data == job().to_data()
    assert stalled.changes == deadline.changes == {}
    assert (stalled.created_at * 1000, deadline.created_at * 1000) == (MOVED + HOUR, CREATED + 8 * HOUR)
    assert stalled.observed_at == deadline.observed_at == iso(CREATED + 9 * HOUR + 5)
    assert stalled.id != deadline.id


@pytest.mark.parametrize(
    ("metadata", "hours"),
    [
        (None, 24),
        ({}, 24),
        ({"team": "a"}, 24),
        ({"timeout_hours": 48}, 48),
        ({"timeout_hours": 0.5}, 0.5),
        ({"timeout_hours": "48"}, 48),
        ({"timeout_hours": " 1.5 "}, 1.5),
        ({"timeout_hours": 8784}, 8784),
        ({"timeout_hours": 8785}, 24),
        ({"timeout_hours": 0}, 24),
        ({"timeout_hours": -1}, 24),
        ({"timeout_hours": True}, 24),
        ({"timeout_hours": None}, 24),
        ({"timeout_hours": [48]}, 24),
        ({"timeout_hours": "two days"}, 24),
        ({"timeout_hours": ""}, 24),
        ({"timeout_hours": "nan"}, 24),
        ({"timeout_hours": "inf"}, 24),
        ({"timeout_hours": 10**307}, 24),
    ],
)
def test_the_assumed_timeout(metadata, hours):
    """It is the number that the metadata names, if that is one that a time-out can be, else the configured one."""
    assert timeout_hours(metadata, 24) == hours


def test_the_metadata_moves_the_deadline():
    """A job that names its own time-out is late by that."""
    long = standing(stalled=True, metadata={"timeout_hours": "48"})
    assert expected(long, CREATED + 38 * HOUR) == []
    assert expected(long, CREATED + 39 * HOUR) == [DEADLINE]


class Simulated:
    """Days of one job and its log, of which nothing else remains from one look to the next."""

    def __init__(self):
        self.now = CREATED
        self.log = [("batch.started", CREATED)]

    def pass_(self, minutes):
        self.now += minutes * 60_000

    def move(self, _):
        """The job moves, and a sweep sees it."""
        self.log.append(("batch.progress", self.now))

    def look(self, _):
        """A complete sweep sees no change, and what is due gives an event."""
        last = max(index for index, (type_, _) in enumerate(self.log) if type_ not in (STALLED, DEADLINE))
        moved_at = self.log[last][1]
        stalled, warned = (STALLED in dict(self.log[last:]), DEADLINE in dict(self.log))
        types = expected(standing(moved_at, stalled=stalled, warned=warned), self.now)
        assert (STALLED in types) == (self.now - moved_at >= HOUR and not stalled)
        assert (DEADLINE in types) == (self.now - CREATED >= 8 * HOUR and not warned)
        self.log += [(type_, self.now) for type_ in types]


@given(steps=st.lists(st.tuples(st.sampled_from(("pass_", "pass_", "move", "look", "look")), st.integers(1, 400)), max_size=60))
def test_once_per_episode_over_days(steps):
    """However looks, moves and pauses follow each other, between two stalls lies a move, and there is one deadline at most."""
    days = Simulated()
    for step, minutes in steps:
        getattr(days, step)(minutes)
    types = [type_ for type_, _ in days.log]
    assert types.count(DEADLINE) <= 1
    assert (STALLED, STALLED) not in set(pairwise(type_ for type_ in types if type_ != DEADLINE))


@pytest.mark.parametrize(("ends_after", "due_after"), [(10, 8), (100, 80)])
def test_deadline_of_the_vendor(ends_after, due_after):
    """What the vendor says of the end of a job counts, whatever metadata and configuration say; only another vendor says it."""
    at = CREATED // 1000 + ends_after * 3600
    said = {"metadata": {"timeout_hours": "1"}, "expires_at": at}
    due = CREATED + due_after * HOUR
    assert expected(standing(due, provider="openai", **said), due) == [DEADLINE]
    assert expected(standing(due, provider="openai", **said), due - 1) == []
    assert expected(standing(CREATED, **said), CREATED + HOUR - 1) == [DEADLINE]


def test_job_that_cannot_stall():
    """With a limit of infinity, for a vendor whose counters do not move, no time is too long."""
    assert expected(standing(warned=True), MOVED + 10_000 * HOUR, limits=TimeLimits(stalled_after=float("inf"))) == []
