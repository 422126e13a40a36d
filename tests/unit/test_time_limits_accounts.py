"""An outage of an account gives one event once it has lasted, and one when it is over."""

import pytest
from core_samples import NOW
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.event import iso
from tracker.core.events.time_limits import RECOVERED, UNREACHABLE, Outage, TimeLimits, reachability_event
from tracker.core.health.readiness import Health

LIMITS = TimeLimits(unreachable_after=300)
MINUTES = 60_000
DOWN = Failure(Reason.NETWORK, "connection refused")
UNPAID = Failure(Reason.NOT_ENABLED, "HTTP 402")
LOGGED = reachability_event("work", Outage(NOW - 10 * MINUTES, DOWN), None, LIMITS, NOW)
OVER = reachability_event("work", None, LOGGED, LIMITS, NOW + MINUTES)


@pytest.mark.parametrize(
    ("lasted", "is_told"), [(0, False), (5 * MINUTES - 1, False), (5 * MINUTES, True), (90 * MINUTES, True)]
)
@pytest.mark.parametrize("before", [None, OVER])
def test_an_outage_is_reported_once_it_has_lasted(before, lasted, is_told):
    """Short outages give no event, however often they come; a longer one does."""
    event = reachability_event("work", Outage(NOW, DOWN), before, LIMITS, NOW + lasted)
    assert (event is not None) is is_told


@pytest.mark.parametrize("since", [NOW - 2880 * MINUTES, NOW + 2880 * MINUTES], ids=["on", "back"])
@pytest.mark.parametrize(("lasted", "is_told"), [(5 * MINUTES - 1, False), (5 * MINUTES, True)])
def test_an_outage_counts_from_a_jump_of_the_clock(since, lasted, is_told):
    """Neither set on nor set back does the clock say how long it has lasted."""
    event = reachability_event("work", Outage(since, DOWN), None, LIMITS, NOW + lasted, NOW)
    assert (event is not None) is is_told


@pytest.mark.parametrize("reason", Reason)
def test_the_event_says_why_and_since_when(reason):
    """The event has the reason for which the sweep failed, its detail, and the beginning of the outage."""
    event = reachability_event("work", Outage(NOW, Failure(reason, "so it is")), None, LIMITS, NOW + 6 * MINUTES)
    assert (event.type, event.account, event.observed_at) == (UNREACHABLE, "work", iso(NOW + 6 * MINUTES))
    assert event.data == {"account": "work", "reason": reason.value, "detail": "so it is", "since": iso(NOW)}


def test_what_was_reported_is_not_reported_again():
    """An outage that continues is the same one, also with another reason and after a restart."""
    assert reachability_event("work", Outage(NOW, UNPAID), LOGGED, LIMITS, NOW + 60 * MINUTES) is None


def test_the_end_is_reported_with_what_has_ended():
    """It carries what the outage's own event said."""
    assert (OVER.type, OVER.account, OVER.data) == (RECOVERED, "work", LOGGED.data)


@pytest.mark.parametrize("before", [None, OVER])
def test_what_was_not_reported_has_no_end(before):
    """An account that works, and was not said to be unreachable, is nothing to tell."""
    assert reachability_event("work", None, before, LIMITS, NOW) is None


@given(st.lists(st.one_of(st.integers(1, 400_000), st.sampled_from(("fails", "works", "look", "restart"))), max_size=60))
def test_beginnings_and_ends_alternate(steps):
    """Over days of failing and working, with restarts anywhere, an end follows each beginning, and nothing else does."""
    now, health, log = NOW, Health(["work"]), []
    for step in steps:
        if isinstance(step, int):
            now += step
        elif step == "restart":
            health = Health(["work"])
        elif step != "look":
            health.swept("work", DOWN if step == "fails" else None, now)
        elif health.accounts["work"].known:
            outage = health.accounts["work"].outage
            event = reachability_event("work", outage, log[-1] if log else None, LIMITS, now)
            assert event is None or (outage is None) == (event.type == RECOVERED)
            assert event is None or outage is None or now - outage.since >= 5 * MINUTES
            log += [event] if event else []
    types = [event.type for event in log]
    assert types == [UNREACHABLE, RECOVERED] * (len(types) // 2) + [UNREACHABLE] * (len(types) % 2)
