"""What any engine owes to the checks that time alone drives: how long jobs have been as they are, and what was said of it."""

import msgspec
from job_changes import CHECKPOINT, SINCE, moved, seen

from tracker.core.events.event import batch_event, plain_event
from tracker.core.events.time_driven import DEADLINE, RECOVERED, STALLED, UNREACHABLE
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
    """That it stalled holds until it moves again, that its deadline comes near for ever."""
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
