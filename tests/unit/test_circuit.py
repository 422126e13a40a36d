"""The circuit of a receiver: when it opens, how rarely it probes, what closes it, and what keeps it quiet."""

import pytest
from core_samples import NOW
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN, MAX_PROBE_WAIT, MIN_PROBE_WAIT, Circuit
from tracker.core.deliveries.delivery import Outcome, Result

WIDE = 16
DELIVERED = Outcome(result=Result.DELIVERED, status=200)
FAILED = Outcome(result=Result.SERVER, detail="HTTP 500", status=500)
GONE = Outcome(result=Result.GONE, detail="HTTP 410", status=410)
results = st.sampled_from(list(Result))


def limited(seconds):
    return Outcome(result=Result.RATE_LIMITED, detail="HTTP 429", status=429, retry_after=seconds)


def unavailable(seconds):
    return Outcome(result=Result.SERVER, detail="HTTP 503", status=503, retry_after=seconds)


def after(outcomes, *, circuit=None, now=NOW, first_wait=5.0, jitter=1.0):
    """The circuit after `outcomes`, all at `now`."""
    circuit = circuit or Circuit()
    for outcome in outcomes:
        circuit = circuit.after(outcome, now, first_wait, jitter)
    return circuit


def probed(count, *, first_wait=5.0, jitter=1.0):
    """The seconds that an open circuit waits before each of `count` probes that fail."""
    circuit = after([FAILED] * FAILURES_TO_OPEN, first_wait=first_wait, jitter=jitter)
    now, waits = NOW, []
    for _ in range(count):
        waits.append((circuit.quiet_until - now) / 1000)
        now = circuit.quiet_until
        circuit = circuit.after(FAILED, now, first_wait, jitter)
    return waits


@pytest.mark.parametrize("failures", range(FAILURES_TO_OPEN))
def test_closed_until_the_fifth_failure(failures):
    """Fewer failures than `TRIP` in a row change nothing in how much goes out."""
    circuit = after([FAILED] * failures)
    assert not circuit.is_open
    assert circuit.limit(NOW, WIDE) == WIDE


@pytest.mark.parametrize("result", [result for result in Result if result not in (Result.DELIVERED, Result.GONE)])
def test_five_failures_of_any_kind_open_it(result):
    """Then nothing goes out for the first wait, and one delivery after it."""
    circuit = after([Outcome(result=result)] * FAILURES_TO_OPEN)
    assert circuit.is_open
    assert circuit.limit(NOW, WIDE) == circuit.limit(NOW + 4999, WIDE) == 0
    assert circuit.limit(NOW + 5000, WIDE) == 1


def test_failures_that_are_not_in_a_row_never_open_it():
    """A success in between resets the count."""
    circuit = after(([FAILED] * (FAILURES_TO_OPEN - 1) + [DELIVERED]) * 20 + [FAILED] * (FAILURES_TO_OPEN - 1))
    assert not circuit.is_open


@pytest.mark.parametrize(
    ("first_wait", "waits"),
    [
        (5.0, [5, 10, 20, 40, 80, 160, 300, 300, 300]),
        (1.0, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]),
        (300.0, [300, 300]),
        (3600.0, [3600, 3600]),
        (0.0, [MIN_PROBE_WAIT, 2 * MIN_PROBE_WAIT, 4 * MIN_PROBE_WAIT]),
    ],
)
def test_probes_wait_twice_as_long_each_time_up_to_the_cap(first_wait, waits):
    """Doubled up to five minutes, or to the first wait if that is longer; a first wait of nothing is still a wait."""
    assert probed(len(waits), first_wait=first_wait) == pytest.approx(waits)


def test_probe_waits_are_spread():
    """The least jitter halves each wait, so that many trackers do not come back together."""
    assert probed(8, jitter=0.0) == [2.5, 5, 10, 20, 40, 80, 150, 150]


def test_failures_of_what_was_under_way_when_it_opened_do_not_lengthen_the_wait():
    """Sixteen attempts that fail together are one outage: the first probe comes after the first wait."""
    circuit = after([FAILED] * WIDE)
    assert circuit.quiet_until == NOW + 5000
    late = circuit.after(FAILED, NOW + 3000, 5.0, 1.0)
    assert late.quiet_until == NOW + 5000
    assert late.after(FAILED, NOW + 5000, 5.0, 1.0).quiet_until == NOW + 15_000


@pytest.mark.parametrize("failures", [1, FAILURES_TO_OPEN, FAILURES_TO_OPEN + 30])
def test_one_success_closes_it(failures):
    """Whatever it went through, after one success the circuit is as good as new."""
    circuit = after([FAILED] * failures).after(DELIVERED, NOW + 1, 5.0, 0.5)
    assert circuit == Circuit()
    assert circuit.limit(NOW + 1, WIDE) == WIDE


@pytest.mark.parametrize("before", [0, 1, FAILURES_TO_OPEN, FAILURES_TO_OPEN + 3])
def test_gone_disables_for_good(before):
    """After a 410 there is no room, however long ago it was, and whatever comes of what was still under way."""
    circuit = after([FAILED] * before + [GONE])
    for outcome in (None, DELIVERED, FAILED, limited(5)):
        stays = circuit.after(outcome, NOW, 5.0, 0.5) if outcome else circuit
        assert stays.is_open
        assert stays.disabled
        assert stays.limit(NOW + 10 * 365 * 86_400_000, WIDE) == 0


@pytest.mark.parametrize("asking", [limited, unavailable])
@pytest.mark.parametrize("seconds", [0.5, 120.0, 3600.0])
def test_receiver_that_asks_for_a_pause_gets_it(asking, seconds):
    """One 429 or 503 keeps everything back until the moment it named; the circuit itself stays closed."""
    circuit = after([asking(seconds)])
    over = NOW + round(seconds * 1000)
    assert not circuit.is_open
    assert circuit.limit(over - 1, WIDE) == 0
    assert circuit.limit(over, WIDE) == WIDE


@pytest.mark.parametrize(
    "outcome",
    [limited(None), *(Outcome(result=Result.SERVER, status=status, retry_after=120.0) for status in (500, 502, 504))],
)
def test_no_receiver_pauses_without_retry_after(outcome):
    """A 429 without a Retry-After, or a Retry-After that is about one delivery, keeps no other back."""
    assert after([outcome]).limit(NOW, WIDE) == WIDE


def test_rate_limit_outlasts_the_success_of_what_was_under_way():
    """Sixteen were under way; that one of them succeeds after another's 429 does not take the patience back."""
    circuit = after([limited(120.0), DELIVERED])
    assert circuit.failures == 0
    assert circuit.limit(NOW + 119_999, WIDE) == 0
    assert circuit.limit(NOW + 120_000, WIDE) == WIDE


def test_rate_limit_that_opened_it_outlasts_such_a_success_too():
    """Five asked to be left in peace: one that was under way before closes the circuit, and nothing is sent for that."""
    circuit = after([*[limited(120.0)] * FAILURES_TO_OPEN, DELIVERED])
    assert not circuit.is_open
    assert circuit.limit(NOW + 119_999, WIDE) == 0
    assert circuit.limit(NOW + 120_000, WIDE) == WIDE


@pytest.mark.parametrize("others", [[FAILED], [FAILED] * FAILURES_TO_OPEN, [Outcome(result=Result.NETWORK)] * WIDE])
def test_rate_limit_outlasts_what_else_was_under_way(others):
    """What fails otherwise, after it and before such a success, takes the patience back no more than that does."""
    circuit = after([*[limited(120.0)] * FAILURES_TO_OPEN, *others, DELIVERED, DELIVERED])
    assert not circuit.is_open
    assert circuit.limit(NOW + 119_999, WIDE) == 0
    assert circuit.limit(NOW + 120_000, WIDE) == WIDE


def test_wait_between_probes_is_no_wish():
    """Who fails for long and then asks for a minute has that minute after a success, not the five before the next probe."""
    circuit = after([FAILED] * FAILURES_TO_OPEN)
    for _ in range(8):
        circuit = circuit.after(FAILED, now := circuit.quiet_until, 5.0, 1.0)
    circuit = circuit.after(limited(60.0), now := circuit.quiet_until, 5.0, 1.0)
    assert (circuit.quiet_until, circuit.asked_until) == (now + 300_000, now + 60_000)
    assert circuit.after(DELIVERED, now + 1, 5.0, 1.0).quiet_until == now + 60_000


def test_shorter_wish_does_not_shorten_a_longer_one():
    """The latest moment that anyone named is the one that counts."""
    assert after([limited(120.0), limited(5.0)]).quiet_until == NOW + 120_000


def test_rate_limit_can_be_longer_than_a_probe_wait():
    """An open circuit waits as long as it was asked to, where that is longer."""
    assert after([limited(1000.0)] * FAILURES_TO_OPEN).quiet_until == NOW + 1_000_000


def test_it_shows_since_when_and_why():
    """`since` is the first failure of the row, reason and detail are of the last."""
    circuit = after([Outcome(result=Result.NETWORK, detail="ReadError")])
    circuit = after([FAILED] * FAILURES_TO_OPEN, circuit=circuit, now=NOW + 9000)
    assert (circuit.since, circuit.reason, circuit.detail) == (NOW, "server", "HTTP 500")


@given(
    steps=st.lists(st.tuples(results, st.integers(0, 600_000), st.none() | st.floats(0, 3600)), max_size=60),
    first_wait=st.floats(0, 86_400),
    jitter=st.floats(0, 1),
)
def test_whatever_happens_it_is_patient_and_never_for_ever(steps, first_wait, jitter):
    """Room is nothing, one or all; open means at most one; and but for a 410 there is room again within what was asked."""
    circuit, now, row = Circuit(), NOW, 0
    longest = max(first_wait, MAX_PROBE_WAIT, 3600.0)
    for result, passed, wish in steps:
        now += passed
        circuit = circuit.after(Outcome(result=result, retry_after=wish), now, first_wait, jitter)
        row = 0 if result is Result.DELIVERED else row + 1
        assert circuit.is_open == (circuit.disabled or row >= FAILURES_TO_OPEN)
        assert circuit.limit(now, WIDE) in ((0, 1) if circuit.is_open else (0, WIDE))
        assert circuit.disabled or (circuit.since is None) == (row == 0)  # a disabled one keeps when and why it was
        if not circuit.disabled:
            assert circuit.limit(now + round(longest * 1000) + 1, WIDE) >= 1


@given(steps=st.lists(results.filter(lambda result: result is not Result.GONE), max_size=40))
def test_enabled_again_it_is_new(steps):
    """A circuit holds nothing that a success does not clear, but for a wish to be left in peace."""
    assert after([Outcome(result=result) for result in steps] + [DELIVERED]) == Circuit()


@pytest.mark.parametrize("before", [0, 1, FAILURES_TO_OPEN])
def test_wish_to_be_disabled_is_granted_with_a_success(before):
    """The message was taken, and nothing more is sent; what was under way and succeeds changes neither that nor the reason."""
    wish = Outcome(result=Result.DELIVERED, status=200, detail="HTTP 200, webhook-delivery: disable", disables=True)
    circuit = after([FAILED] * before + [wish, DELIVERED])
    assert circuit.disabled
    assert (circuit.reason, circuit.detail, circuit.since) == ("gone", wish.detail, NOW)
    assert circuit.limit(NOW + 86_400_000, WIDE) == 0


def test_aborted_messages_are_no_failures_of_the_receiver():
    """However many messages it refuses for good, it works; a pause that it asks for meanwhile is kept."""
    assert after([Outcome(result=Result.GONE, status=410, aborts=True)]).disabled
    aborts = Outcome(result=Result.REFUSED, status=422, aborts=True)
    assert after([aborts] * 3 * FAILURES_TO_OPEN) == Circuit()
    pausing = Outcome(result=Result.RATE_LIMITED, status=429, retry_after=30.0, aborts=True)
    circuit = after([pausing])
    assert not circuit.is_open
    assert (circuit.limit(NOW + 29_999, WIDE), circuit.limit(NOW + 30_000, WIDE)) == (0, WIDE)
