"""Reminders of what stays broken: when one is due and who gets it; their number depends on nothing but the time."""

import itertools
import json
import math

import msgspec
import pytest
from core_samples import NOW, job
from event_validation import validator
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN, Circuit
from tracker.core.deliveries.dead_letters import Waiting
from tracker.core.deliveries.fan_out import Match, Subscription, fan_out
from tracker.core.deliveries.reminders import REMINDED_TYPES, Reminders
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.event import Reminder, batch_event, encode_event, iso, plain_event
from tracker.core.events.headline import headline
from tracker.core.events.time_limits import ActiveJobStatus, Outage

MINUTE = 60_000
HOUR = 60 * MINUTE
FIRST = plain_event(
    "account.unreachable", "default", {"account": "default", "reason": "server", "detail": "HTTP 500", "since": iso(NOW)}, NOW
)
OUTAGE = Outage(NOW + 5 * HOUR, Failure(Reason.NETWORK, "refused"))  # as after a restart: the log knows since when it is
OPEN = Circuit(failures=FAILURES_TO_OPEN, since=NOW, reason="server", detail="HTTP 500")


def team(every=6 * 3600.0, events=("*",), **how):
    return Subscription(receiver="team", events=events, remind_every=every, **how)


def reminders(*subscriptions):
    return Reminders(subscriptions=subscriptions, retry={"pipeline": (60.0,)})


def of_account(now, *subscriptions, last=FIRST, outage=OUTAGE):
    return [*reminders(*subscriptions).of_account("default", outage, last, now)]


@pytest.mark.parametrize(
    ("after", "due"), [(0, False), (6 * HOUR - 1, False), (6 * HOUR, True), (70 * HOUR, True)], ids=["0", "-1", "6 h", "70 h"]
)
def test_reminder_is_due_when_the_interval_has_passed(after, due):
    """Not a millisecond before, and once, however long nothing was checked."""
    events = of_account(NOW + after, team())
    assert len(events) == due
    if due:
        (event,) = events
        assert event.reminder == Reminder(number=1, first_at=iso(NOW), last_at=iso(NOW))
        assert event.data == FIRST.data | {"reason": "network", "detail": "refused"}
        assert (event.created_at, event.id != FIRST.id) == ((NOW + after) // 1000, True)
        assert fan_out([team()], event) == [team()]
        assert of_account(NOW + after, team(), last=event) == []


@pytest.mark.parametrize(
    "subscriptions",
    [(), (team(math.inf),), (team(events=("batch.*",)),), (team(match=Match(account="other")),)],
    ids=["no receiver", "never", "other events", "other account"],
)
def test_without_who_gets_it_there_is_none(subscriptions):
    """No event is logged that is for no receiver."""
    assert of_account(NOW + 100 * HOUR, *subscriptions) == []


def test_what_is_over_is_not_reminded_of():
    """Neither where the account works again, nor where its end is in the log already."""
    recovered = plain_event("account.recovered", "default", FIRST.data, NOW)
    for how in ({"outage": None}, {"last": recovered}, {"last": None}):
        assert of_account(NOW + 100 * HOUR, team(), **how) == []


def test_stalled_job_is_reminded_of_while_it_runs():
    """With the job as it is now; one that has moved, or has never stalled, is not."""
    reminder = Reminder(number=3, first_at=iso(NOW), last_at=iso(NOW + 12 * HOUR))
    stalled = ActiveJobStatus(job=job(), moved_at=NOW, reminder=reminder)
    others = [ActiveJobStatus(job=job(), moved_at=NOW), msgspec.structs.replace(stalled, job=job(status="QUEUED"))]
    (event,) = reminders(team()).of_stalled("default", [stalled, *others], NOW + 18 * HOUR)
    assert (event.type, event.reminder, event.data) == ("batch.stalled", reminder, job().to_data())
    assert not [*reminders(team()).of_stalled("default", [stalled], NOW + 18 * HOUR - 1)]


def test_failing_receiver_is_reminded_of_with_what_waits_now():
    """The other receivers hear how many wait and until when; it is no event for itself."""
    reminder = Reminder(number=1, first_at=iso(NOW), last_at=iso(NOW))
    waiting, later = [Waiting(0, NOW, 5)], NOW + 6 * HOUR
    (event,) = reminders(team()).of_receiver("pipeline", OPEN, waiting, reminder, later)
    assert (event.data["waiting"], event.data["dead_at"]) == (5, iso(later + MINUTE))
    own = msgspec.structs.replace(team(), receiver="pipeline")
    assert reminders(own).of_receiver("pipeline", OPEN, waiting, reminder, later) == []


@given(st.lists(st.sampled_from([1, 2, 3, 5, 7, 12]), min_size=1, max_size=4), st.lists(st.integers(1, 90), max_size=60))
def test_each_receiver_gets_its_own_number_of_reminders(hours, pauses):
    """Whichever others are reminded, and whenever is checked, one comes for each interval in which there was a check."""
    subscriptions = [Subscription(receiver=f"r{n}", events=("*",), remind_every=each * 3600.0) for n, each in enumerate(hours)]
    now, last, got, wanted = NOW, FIRST, [0] * len(hours), [set() for _ in hours]
    for pause in pauses:
        now += pause * MINUTE
        for event in of_account(now, *subscriptions, last=last):
            last = event
            for subscription in fan_out(subscriptions, event):
                got[subscriptions.index(subscription)] += 1
        for each, passed in zip(hours, wanted, strict=True):
            passed |= {(now - NOW) // (each * HOUR)}
    assert got == [len(passed - {0}) for passed in wanted]


def test_clock_that_was_set_back_does_not_silence_it():
    """What was logged years ahead is reminded of at once, and then in the interval by the clock as it is now."""
    now, last, found = NOW - 10_000 * HOUR, FIRST, []
    for hours in range(20):
        for event in of_account(now + hours * HOUR, team(), last=last):
            last = event
            found.append(hours)
    assert len(found) == 4
    assert {later - earlier for earlier, later in itertools.pairwise(found[1:])} == {6}
    assert of_account(NOW - 6 * HOUR, team()) == [], "so little may be the difference between two machines"


def test_later_reminders_count_on():
    """The number grows, the first event stays the same, and each says when it was last said."""
    last, found = FIRST, []
    for hours in range(1, 20):
        for event in of_account(NOW + hours * HOUR, team(), last=last):
            last = event
            found.append((event.reminder.number, event.reminder.first_at, event.reminder.last_at))
    at = [iso(NOW + hours * HOUR) for hours in (0, 6, 12)]
    assert found == [(1, at[0], at[0]), (2, at[0], at[1]), (3, at[0], at[2])]


def test_reminders_are_events_of_the_schema_and_say_what_they_are():
    """Each is valid, and only the types that have reminders may have one."""
    reminder = Reminder(number=2, first_at=iso(NOW), last_at=iso(NOW + HOUR))
    later = NOW + 100 * HOUR
    stalled = ActiveJobStatus(job=job(), moved_at=NOW, reminder=reminder)
    events = [
        *of_account(later, team()),
        *reminders(team()).of_stalled("default", [stalled], later),
        *reminders(team()).of_receiver("pipeline", OPEN, [], reminder, later),
    ]
    assert [event.type for event in events] == [REMINDED_TYPES[0], REMINDED_TYPES[2], REMINDED_TYPES[1]]
    for event in events:
        written = json.loads(encode_event(msgspec.structs.replace(event, seq=1)))
        validator(event.type).validate(written)
        assert headline(written).endswith("first reported 2025-06-25 14:20 UTC)")
    deadline = batch_event("batch.deadline", "default", job(), {}, NOW)
    wrong = json.loads(encode_event(msgspec.structs.replace(deadline, seq=1, reminder=reminder)))
    assert not validator("batch.deadline").is_valid(wrong)
