"""A delivery's schedule in computed time: days of it without waiting, and what a Retry-After makes of it."""

from itertools import pairwise

import msgspec
import pytest
from core_samples import NOW
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.deliveries.delivery import Delivery, Outcome, Result, settle
from tracker.core.deliveries.retry_schedule import MAX_RETRY_AFTER, retry_after
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver

DEFAULT = WebhookReceiver(name="").retry
FRESH = Delivery(receiver="r", seq=7, event_id="evt_1", type="batch.completed", stream="default/a", attempts=0, body="{}")
FAILED = Outcome(result=Result.SERVER, detail="HTTP 500", status=500)
DELIVERED = Outcome(result=Result.DELIVERED, status=200)
FAILURES = [result for result in Result if result not in (Result.DELIVERED, Result.GONE)]

schedules = st.lists(st.floats(0, 30 * 86_400), min_size=1, max_size=20)
jitters = st.floats(0, 1)


def lived(schedule, outcomes, jitter=0.5, takes=0):
    """The settlements of a delivery whose attempts come to `outcomes` in turn, each begun when it is due, until it ends."""
    delivery, now, settlements = FRESH, NOW, []
    for outcome in outcomes:
        settled = settle(delivery, outcome, schedule, (now, now + takes), jitter)
        settlements.append(settled)
        if settled.state != "pending":
            break
        delivery = msgspec.structs.replace(delivery, attempts=delivery.attempts + 1)
        now = settled.due_at
    return settlements


def waits(settlements):
    """Seconds between the end of each attempt and the next one."""
    return [(settled.due_at - settled.ended_at) / 1000 for settled in settlements if settled.state == "pending"]


def test_default_schedule_takes_three_days_and_then_is_dead():
    """Ten attempts over 75 hours, each after the wait of the table, and nothing after the last."""
    settlements = lived(DEFAULT, [FAILED] * 99)
    assert waits(settlements) == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert [settled.state for settled in settlements] == ["pending"] * 9 + ["dead"]
    assert settlements[-1].ended_at - NOW == sum(DEFAULT) * 1000 == 272_105_000


@pytest.mark.parametrize("result", FAILURES)
def test_every_failure_is_retried_until_the_schedule_is_exhausted(result):
    """Whatever went wrong, the delivery has one attempt more than the schedule has waits."""
    settlements = lived((1, 2, 3), [Outcome(result=result)] * 99)
    assert [settled.state for settled in settlements] == ["pending", "pending", "pending", "dead"]
    assert waits(settlements) == [1, 2, 3]


@pytest.mark.parametrize("failures", [0, 1, 8, 9])
def test_success_ends_it_whenever_it_comes(failures):
    """A delivery is delivered by the first 2xx, also by that of the very last attempt."""
    settlements = lived(DEFAULT, [FAILED] * failures + [DELIVERED] * 99)
    assert len(settlements) == failures + 1
    assert settlements[-1].state == "delivered"


@pytest.mark.parametrize("attempts", [0, 3, 9, 10, 99])
def test_receiver_that_is_gone_takes_no_delivery_with_it(attempts):
    """410 leaves the delivery pending, however many attempts it has had, in case the receiver is enabled again."""
    delivery = msgspec.structs.replace(FRESH, attempts=attempts)
    settled = settle(delivery, Outcome(result=Result.GONE, status=410), DEFAULT, (NOW, NOW + 9), 0.5)
    assert (settled.state, settled.due_at) == ("pending", NOW + 9)


def test_schedule_that_became_shorter_ends_what_is_beyond_it():
    """A delivery with more attempts behind it than the schedule now has is dead after the next failure."""
    delivery = msgspec.structs.replace(FRESH, attempts=7)
    assert settle(delivery, FAILED, (1, 2), (NOW, NOW), 0.5).state == "dead"


@pytest.mark.parametrize(("jitter", "wait"), [(0.0, 270), (0.25, 285), (0.5, 300), (0.75, 315), (1.0, 330)])
def test_jitter_spreads_a_wait_by_a_tenth(jitter, wait):
    """A wait of five minutes is from 270 to 330 seconds, linear in the jitter."""
    assert waits(lived((300,), [FAILED], jitter)) == [wait]


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, 60),
        ("", 60),
        ("soon", 60),
        ("-1", 60),
        ("-86400", 60),
        ("nan", 60),
        ("0", 60),
        ("59", 60),
        ("61", 61),
        ("120.5", 120.5),
        ("3600", 3600),
        ("3601", 3600),
        ("999999999999", 3600),
        ("inf", 3600),
        ("Wed, 25 Jun 2025 14:22:14 GMT", 119.688),
        ("Wednesday, 25-Jun-25 14:22:14 GMT", 119.688),
        ("Wed Jun 25 14:22:14 2025", 119.688),
        ("Wed, 25 Jun 2025 14:20:24 GMT", 60),
        ("Wed, 25 Jun 2020 14:20:24 GMT", 60),
        ("Wed, 25 Jun 2099 14:20:24 GMT", 3600),
    ],
)
def test_retry_after_lengthens_a_wait_and_never_shortens_it(header, wait):
    """Seconds or a date, past, nonsense, negative or huge: from the wait of the schedule to an hour."""
    outcome = Outcome(result=Result.RATE_LIMITED, status=429, retry_after=retry_after(header, NOW))
    assert waits(lived((60,), [outcome])) == [pytest.approx(wait)]


def test_retry_after_of_an_hour_does_not_shorten_a_day():
    """The cap is one of what is asked for: a wait that the schedule itself makes longer stays."""
    assert waits(lived((86_400,), [Outcome(result=Result.SERVER, status=503, retry_after=MAX_RETRY_AFTER)])) == [86_400]


@given(schedule=schedules, jitter=jitters, takes=st.integers(0, 60_000))
def test_whole_schedule_is_its_waits_and_its_attempts(schedule, jitter, takes):
    """The end of the last attempt is the sum of the waits, give or take a tenth, and of the attempts themselves."""
    settlements = lived(schedule, [FAILED] * 99, jitter, takes)
    assert len(settlements) == len(schedule) + 1
    passed = settlements[-1].ended_at - NOW - takes * len(settlements)
    assert passed == pytest.approx(sum(schedule) * 1000 * (0.9 + 0.2 * jitter), abs=len(schedule))
    assert all(later.began_at == earlier.due_at for earlier, later in pairwise(settlements))


@given(schedule=schedules, jitter=jitters, outcomes=st.lists(st.sampled_from([*FAILURES, Result.DELIVERED]), max_size=30))
def test_no_attempt_is_early_none_is_too_many_and_nothing_follows_an_end(schedule, jitter, outcomes):
    """Under any outcomes a delivery ends once, by its first success or its last attempt, and no wait is out of bounds."""
    settlements = lived(schedule, [Outcome(result=result) for result in outcomes], jitter)
    assert len(settlements) <= len(schedule) + 1
    assert all(settled.state == "pending" for settled in settlements[:-1])
    for waited, planned in zip(waits(settlements), schedule, strict=False):
        assert planned * 0.9 - 0.001 <= waited <= planned * 1.1 + 0.001
    if Result.DELIVERED in outcomes[: len(settlements)]:
        assert settlements[-1].state == "delivered"
    elif len(settlements) > len(schedule):
        assert settlements[-1].state == "dead"


@given(header=st.text(max_size=40) | st.floats().map(str) | st.integers().map(str), jitter=jitters)
def test_any_retry_after_keeps_the_wait_between_its_bounds(header, jitter):
    """No header, whatever it holds, makes a wait shorter than planned or longer than an hour."""
    outcome = Outcome(result=Result.RATE_LIMITED, status=429, retry_after=retry_after(header, NOW))
    (waited,) = waits(lived((60,), [outcome], jitter))
    assert 54 <= waited <= MAX_RETRY_AFTER


def test_settlement_keeps_what_it_was_about():
    """The delivery and the outcome are as they were given, and so are the moments."""
    settled = settle(FRESH, FAILED, (5,), (NOW, NOW + 250), 0.5)
    assert (settled.delivery, settled.outcome) == (FRESH, FAILED)
    assert (settled.began_at, settled.ended_at, settled.due_at) == (NOW, NOW + 250, NOW + 5250)
