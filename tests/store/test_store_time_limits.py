"""What any engine owes to the checks that time alone drives: how long jobs have been as they are, and what was said of it."""

import msgspec
from job_changes import CHECKPOINT, SINCE, moved, seen
from outboxes import failing, rows

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN, Circuit
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.event import Reminder, batch_event, iso, plain_event
from tracker.core.events.time_limits import DEADLINE, RECOVERED, STALLED, UNREACHABLE
from tracker.core.queries.workload import Workload

LATER = SINCE + 90_000


async def statuses(store, account="default"):
    """Every active job's status by id, page after page."""
    found, after = {}, ""
    while page := await store.active_job_statuses(account, after):
        found |= {each.job.id: each for each in page}
        after = page[-1].job.id
    return found


async def test_job_stands_since_its_status_or_a_counter_moved(store):
    """Each active job comes once, with when it last moved; another property moves nothing, and ended ones are missing."""
    still, counting, ended = (
        seen("still", status="RUNNING"),
        seen("counting", status="RUNNING"),
        seen("ended", status="RUNNING"),
    )
    await store.record("default", [still, counting, ended])
    await store.record(
        "default",
        [
            moved(counting, now=LATER, completed_requests=1),
            moved(ended, now=LATER, status="FAILED"),
            moved(still, now=LATER, metadata={"note": "changed"}),
        ],
    )
    found = await statuses(store)
    assert {id_: each.moved_at for id_, each in found.items()} == {"still": SINCE, "counting": LATER}
    assert found["still"].job.metadata == {"note": "changed"}
    assert await statuses(store, "other") == {}


async def test_what_was_said_of_a_job_is_remembered(store):
    """A job counts as stalled until it moves again, and as near its deadline to its end."""
    change = seen("job", status="RUNNING")
    await store.record("default", [change])
    said = [batch_event(type_, "default", change.known.job, {}, SINCE + 5) for type_ in (STALLED, DEADLINE)]
    assert [event.type for event in await store.append(said)] == [STALLED, DEADLINE]
    each = (await statuses(store))["job"]
    assert (each.stalled, each.warned) == (True, True)
    await store.record("default", [moved(change, now=LATER, completed_requests=1)])
    each = (await statuses(store))["job"]
    assert (each.stalled, each.warned) == (False, True)


async def test_event_of_a_job_that_has_changed_meanwhile_is_left_out(engine, store):
    """Only what is about the job as it is now is logged, and returned; what is about no job always is."""
    changed, over, same = seen("changed", status="RUNNING"), seen("over", status="RUNNING"), seen("same", status="RUNNING")
    await store.record("default", [changed, over, same])
    await store.record("default", [moved(changed, completed_requests=1), moved(over, status="SUCCESS")])
    events = [batch_event(STALLED, "default", each.known.job, {}, LATER) for each in (changed, over, same)]
    unknown = msgspec.structs.replace(events[0], id="evt_unknown", data=events[0].data | {"id": "unknown"})
    kept = await store.append([*events, unknown, plain_event(UNREACHABLE, "default", {}, LATER)])
    assert [(each.type, each.data.get("id")) for each in kept] == [(STALLED, "same"), (UNREACHABLE, None)]
    assert [event["type"] for event in (await engine.log())[-2:]] == [STALLED, UNREACHABLE]


async def test_last_event_of_an_account(store):
    """It is the newest that is about the account itself, and no other account's, receiver's or job's."""
    assert await store.last_account_event("default") is None
    await store.append([plain_event(UNREACHABLE, "default", {"reason": "network"}, SINCE)])
    await store.append([plain_event(RECOVERED, "default", {}, SINCE + 1)])
    await store.append([plain_event(UNREACHABLE, "other", {}, SINCE + 2)])
    await store.append([plain_event("receiver.failing", "", {"receiver": "default"}, SINCE + 3)])
    await store.record("default", [seen()])
    assert (await store.last_account_event("default")).type == RECOVERED
    assert (await store.last_account_event("other")).type == UNREACHABLE


async def test_workload_is_of_the_accounts_and_receivers_of_today(with_receivers):
    """Jobs of the accounts that are named, and deliveries to the receivers that are subscribed, are counted as they stand."""
    store = with_receivers
    await store.checkpoint("other", CHECKPOINT)
    jobs = [seen("r", status="RUNNING"), seen("c", status="CANCELLATION_REQUESTED"), seen("q"), seen("s", status="SUCCESS")]
    await store.record("default", jobs)
    await store.record("other", [seen("q", account="other")])
    assert await store.workload(["default"]) == Workload(running=2, queued=1, pending=8 + 1, dead=0)  # 8 events, one an end
    assert (await store.workload(["default", "other", "unknown"])).queued == 2
    store.subscribe([])
    assert await store.workload([]) == Workload(running=0, queued=0, pending=0, dead=0)


async def test_reminder_follows_from_the_last_event_of_the_episode(store):
    """What the next reminder of a stalled job says counts on from the last one, and nothing of it is left once it moves."""
    change = seen("job", status="RUNNING")
    await store.record("default", [change])
    expected = None
    for at in (SINCE + 5, SINCE + 10, SINCE + 15):
        event = batch_event(STALLED, "default", change.known.job, {}, at)
        event = event if expected is None else msgspec.structs.replace(event, reminder=expected)
        await store.append([event])
        expected = Reminder.after(event)
        assert (await statuses(store))["job"].reminder == expected
    assert expected == Reminder(number=3, first_at=iso(SINCE + 5), last_at=iso(SINCE + 15))
    await store.record("default", [moved(change, now=LATER, completed_requests=1)])
    assert (await statuses(store))["job"].reminder is None


async def test_receivers_that_fail(with_receivers):
    """Those whose circuit is open are found with it, and the last event that is about one of them."""
    store = with_receivers
    disabled = Circuit(failures=1, since=SINCE, reason="gone", detail="HTTP 410", disabled=True)
    await store.outbox.settle("a", [], failing(FAILURES_TO_OPEN - 1))
    await store.outbox.settle("b", [], failing(FAILURES_TO_OPEN))
    await store.outbox.settle("c", [], disabled)
    assert await store.failing_receivers() == {"b": failing(FAILURES_TO_OPEN), "c": disabled}
    assert await store.last_receiver_event("b") is None
    for at, type_, receiver in [(1, "failing", "b"), (2, "recovered", "b"), (3, "failing", "b"), (4, "failing", "c")]:
        await store.append([plain_event(f"receiver.{type_}", "", {"receiver": receiver}, SINCE + at)])
    last = await store.last_receiver_event("b")
    assert (last.type, last.observed_at) == ("receiver.failing", iso(SINCE + 3))


async def test_reminder_of_a_receiver_that_has_recovered_meanwhile_is_left_out(store):
    """It is checked in the transaction that logs it; the first event of an episode is logged as its own transaction has it."""
    event = plain_event("receiver.failing", "", {"receiver": "a"}, SINCE)
    reminder = msgspec.structs.replace(event, id="evt_again", reminder=Reminder.after(event))
    await store.outbox.settle("a", [], failing(FAILURES_TO_OPEN - 1))
    assert [each.id for each in await store.append([event, reminder])] == [event.id]
    await store.outbox.settle("a", [], failing(FAILURES_TO_OPEN))
    assert [each.id for each in await store.append([reminder])] == ["evt_again"]


async def test_reminder_goes_to_who_asked_for_it(engine):
    """Another receiver of the same events has the first one alone."""
    subscriptions = [
        Subscription(receiver="patient", events=("account.*",)),
        Subscription(receiver="worried", events=("account.*",), remind_every=60.0),
    ]
    async with engine.store(subscriptions) as store:
        event = plain_event(UNREACHABLE, "default", {"account": "default"}, SINCE)
        reminder = plain_event(UNREACHABLE, "default", {"account": "default"}, SINCE + 60_000)
        await store.append([event, msgspec.structs.replace(reminder, reminder=Reminder.after(event))])
        assert await rows(store, "seq", "patient") == [(1,)]
        assert await rows(store, "seq", "worried") == [(1,), (2,)]
    assert (await engine.log())[-1]["reminder"]["number"] == 1
