"""When a failing receiver's first delivery will be dead, when that is to be reported, and what the report says."""

import pytest
from core_samples import NOW

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN, Circuit
from tracker.core.deliveries.dead_letters import (
    Waiting,
    circuit_events,
    dead_at,
    earliest_end,
    first_dead_at,
    warning_due_at,
)
from tracker.core.deliveries.delivery import Delivery, Outcome, Result, settle
from tracker.core.events.event import iso
from tracker.core.events.summary import summarize_other_event

SCHEDULE = (10.0, 100.0, 1000.0)
FAILS = Circuit(failures=2, since=NOW, reason="server", detail="HTTP 500")
OPEN = Circuit(failures=FAILURES_TO_OPEN, since=NOW - 50_000, reason="network", detail="refused")
DISABLED = Circuit(failures=1, since=NOW, reason="gone", detail="HTTP 410", disabled=True)
FAILED = Outcome(result=Result.SERVER, status=500)


def delivery(attempts):
    return Delivery(receiver="r", seq=1, event_id="evt_1", type="batch.failed", stream="a/j", attempts=attempts, body="{}")


@pytest.mark.parametrize(("attempts", "seconds"), [(0, 1110), (1, 1100), (2, 1000), (3, 0), (9, 0)])
def test_end_follows_from_the_waits_that_are_left(attempts, seconds):
    """After as many failures as the schedule has waits the next attempt is the last."""
    assert dead_at(attempts, NOW, SCHEDULE) == NOW + seconds * 1000


@pytest.mark.parametrize("attempts", range(4))
def test_forecast_is_what_the_schedule_comes_to(attempts):
    """Attempt for attempt, the delivery is dead exactly then."""
    now, expected = NOW, dead_at(attempts, NOW, SCHEDULE)
    settled = settle(delivery(attempts), FAILED, SCHEDULE, (now, now), 0.5)
    while settled.state == "pending":
        assert earliest_end([settled], SCHEDULE, None) == expected
        now, attempts = settled.due_at, attempts + 1
        settled = settle(delivery(attempts), FAILED, SCHEDULE, (now, now), 0.5)
    assert (settled.state, now) == ("dead", expected)


def test_first_to_die_is_the_one_with_the_fewest_waits_left():
    """Not the one that is due first; with nothing pending there is none."""
    waiting = [Waiting(0, NOW, 7), Waiting(2, NOW + 50_000, 1), Waiting(3, NOW + 2_000_000, 1)]
    assert first_dead_at(waiting, SCHEDULE) == NOW + 1_050_000
    assert first_dead_at(waiting[:1], SCHEDULE) == NOW + 1_110_000
    assert first_dead_at(waiting[:1], SCHEDULE, failed_only=True) is None
    assert first_dead_at([], SCHEDULE) is None


def test_what_is_delivered_or_dead_is_not_going_to_die():
    """Of a group only what failed and is tried again counts, and an earlier end that was known stays."""
    delivered = settle(delivery(0), Outcome(result=Result.DELIVERED), SCHEDULE, (NOW, NOW), 0.5)
    dead = settle(delivery(3), FAILED, SCHEDULE, (NOW, NOW), 0.5)
    failed = settle(delivery(0), FAILED, SCHEDULE, (NOW, NOW), 0.5)
    assert earliest_end([delivered, dead], SCHEDULE, None) is None
    assert earliest_end([delivered, failed, dead], SCHEDULE, None) == NOW + 1_110_000
    assert earliest_end([failed], SCHEDULE, NOW + 5) == NOW + 5


def test_warning_comes_half_way_from_the_first_failure():
    """An open circuit has been reported already, and one without failures is not."""
    assert warning_due_at(FAILS, NOW + 1_110_000) == NOW + 555_000
    assert warning_due_at(FAILS, NOW - 5) == NOW - 5, "the clock was set back since the first failure"
    assert warning_due_at(FAILS, None) is None
    assert warning_due_at(OPEN, NOW + 9) is None
    assert warning_due_at(Circuit(), NOW + 9) is None


def test_opened_circuit_is_open():
    """It is reported as any other, keeps why it fails, and is probed; one that is open stays as it is."""
    opened = FAILS.opened()
    assert opened.is_open
    assert (opened.since, opened.reason, opened.limit(NOW, 16)) == (NOW, "server", 1)
    assert OPEN.opened() is OPEN


@pytest.mark.parametrize(
    ("circuit", "waiting", "report", "words"),
    [
        (
            OPEN,
            [Waiting(0, NOW - 9, 1199), Waiting(1, NOW + 5, 1)],
            {"waiting": 1200, "dead_at": "2025-06-25T14:38:34.317Z"},
            (
                "Receiver r takes no deliveries: it does not answer; 1,200 deliveries wait,"
                " the first is given up at 2025-06-25 14:38 UTC"
            ),
        ),
        (
            DISABLED,
            [Waiting(0, NOW, 1)],
            {"waiting": 1},
            "Receiver r takes no deliveries: it wants no further deliveries; 1 delivery waits until it is enabled",
        ),
        (OPEN, [], {"waiting": 0}, "Receiver r takes no deliveries: it does not answer"),
    ],
    ids=["failing", "disabled", "nothing waits"],
)
def test_report_says_what_waits_and_until_when(circuit, waiting, report, words):
    """How many deliveries wait and when the first is given up, which a disabled receiver's are not."""
    (event,) = circuit_events("r", Circuit(), circuit, waiting, SCHEDULE, NOW)
    assert event.type == "receiver.failing"
    about = {"receiver": "r", "reason": circuit.reason, "detail": circuit.detail, "since": iso(circuit.since)}
    assert event.data == about | report
    assert summarize_other_event(event.type, event.data) == words


def test_recovery_is_reported_with_what_it_was():
    """The reason and since when are of the failure that is over; a circuit that stays as it is gives no event."""
    (event,) = circuit_events("r", OPEN, Circuit(), [], SCHEDULE, NOW)
    about = {"receiver": "r", "reason": "network", "detail": "refused", "since": "2025-06-25T14:19:24.312Z"}
    assert (event.type, event.data) == ("receiver.recovered", about)
    assert circuit_events("r", FAILS, Circuit(), [], SCHEDULE, NOW) == []


def test_probe_that_comes_later_puts_the_end_off():
    """No attempt comes before an open circuit's next probe."""
    quiet = Circuit(failures=FAILURES_TO_OPEN, since=NOW, quiet_until=NOW + 300_000)
    (event,) = circuit_events("r", Circuit(), quiet, [Waiting(3, NOW, 1)], SCHEDULE, NOW)
    assert event.data["dead_at"] == "2025-06-25T14:25:14.312Z"
