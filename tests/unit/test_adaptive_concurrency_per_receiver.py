"""How many attempts go out concurrently: fewer after an answer that signals overload, more as others succeed."""

import pytest
from core_samples import NOW
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.deliveries.adaptive_concurrency_per_receiver import MAX_CONCURRENCY, AdaptiveConcurrency
from tracker.core.deliveries.delivery import Delivery, Outcome, Result, settle

DELIVERY = Delivery(receiver="pipeline", seq=1, event_id="evt_1", type="batch.created", stream="", attempts=0, body="{}")
DELIVERED = Outcome(result=Result.DELIVERED, status=204)
LIMITED = Outcome(result=Result.RATE_LIMITED, status=429)
SLACK_LIMITED = Outcome(result=Result.RATE_LIMITED, status=200)


def server(status):
    return Outcome(result=Result.SERVER, status=status)


def settled(outcome, began_at=NOW, ended_at=NOW):
    return settle(DELIVERY, outcome, [5.0], (began_at, ended_at), 0.5)


def in_turn(*outcomes, concurrency=None):
    """The concurrency after attempts that each began when the one before had ended."""
    concurrency = concurrency or AdaptiveConcurrency()
    for number, outcome in enumerate(outcomes):
        concurrency = concurrency.after(settled(outcome, NOW + number, NOW + number + 1))
    return concurrency


def test_it_begins_with_all():
    """A receiver starts with the maximum."""
    assert AdaptiveConcurrency().limit == MAX_CONCURRENCY == 16


@pytest.mark.parametrize("outcome", [LIMITED, SLACK_LIMITED, server(502), server(503), server(504)])
def test_overload_halves_it_down_to_one(outcome):
    """Each answer of those after another, until nothing but one at a time is left."""
    limits = [in_turn(*[outcome] * times).limit for times in range(7)]
    assert limits == [16, 8, 4, 2, 1, 1, 1]


@pytest.mark.parametrize(
    "outcome",
    [
        server(500),
        Outcome(result=Result.REFUSED, status=400),
        Outcome(result=Result.REDIRECTED, status=302),
        Outcome(result=Result.NETWORK),
        Outcome(result=Result.GONE, status=410),
    ],
)
def test_other_failures_say_nothing_of_load(outcome):
    """What fails otherwise is for the circuit to count."""
    assert in_turn(*[outcome] * 20) == AdaptiveConcurrency()


def test_what_was_under_way_together_narrows_it_once():
    """Sixteen that were sent side by side, and all refused, are one overload; the first that began after it is another."""
    concurrency = AdaptiveConcurrency()
    for number in range(MAX_CONCURRENCY):
        concurrency = concurrency.after(settled(LIMITED, NOW + number, NOW + 100 + number))
    assert concurrency.limit == 8
    assert concurrency.after(settled(LIMITED, NOW + 99, NOW + 1000)).limit == 8
    assert concurrency.after(settled(LIMITED, NOW + 100, NOW + 1000)).limit == 4


def test_successes_widen_it_by_one_for_as_many_as_it_is_wide():
    """From one at a time to all takes some half of the square of all: 128 successes, not 16."""
    narrow = in_turn(*[LIMITED] * 4)
    limits = [in_turn(*[DELIVERED] * times, concurrency=narrow).limit for times in range(200)]
    assert limits[:3] == [1, 2, 2]
    assert limits == sorted(limits)
    assert limits.index(MAX_CONCURRENCY) == pytest.approx(MAX_CONCURRENCY**2 / 2, rel=0.05)
    assert limits[-1] == MAX_CONCURRENCY


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from([DELIVERED, LIMITED, server(500), server(502)]), st.integers(0, 10_000), st.integers(0, 10_000)
        ),
        max_size=100,
    )
)
def test_whatever_happens_something_goes_out(steps):
    """There is always room for one, never for more than all, and for no more after a failure than before it."""
    concurrency = AdaptiveConcurrency()
    for outcome, began, took in steps:
        before, concurrency = concurrency, concurrency.after(settled(outcome, NOW + began, NOW + began + took))
        assert 1 <= concurrency.limit <= MAX_CONCURRENCY
        assert outcome.delivered or concurrency.width <= before.width
