"""Replaying: what ended, or never was, is pending again as if it were new, and a receiver that was disabled is tried again."""

import json

import msgspec
import pytest
from job_changes import SINCE, moved, seen
from tables import execute, fetch

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN, Circuit
from tracker.core.deliveries.delivery import Outcome, Result, settle
from tracker.core.deliveries.fan_out import Subscription, stream_of
from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.events.event import Event, iso, plain_event

LATER = SINCE + 86_400_000
PIPELINE = Subscription(receiver="pipeline", events=("batch.completed", "receiver.*"))
OTHER = Subscription(receiver="other", events=("batch.completed",))
COLUMNS = "seq, state, attempts, due_at, first_failed_at, ended_at"


@pytest.fixture
async def store(engine):
    """Three jobs that were seen and ended, each 10 s after the one before: the ends, seqs 2, 4 and 6, go to two receivers."""
    async with engine.store([PIPELINE, OTHER]) as store:
        for number in range(3):
            await store.record("default", [seen(f"job-{number}", status="SUCCESS", now=SINCE + number * 10_000)])
        yield store


async def rows(store, receiver="pipeline", columns=COLUMNS):
    sql = f"SELECT {columns} FROM deliveries WHERE receiver = ? ORDER BY seq"  # noqa: S608 - of constants
    return [tuple(row) for row in await fetch(store, sql, receiver)]


async def claimed(store, receiver="pipeline"):
    return {each.seq: each for each in await store.outbox.claim(receiver, LATER + 1, 900.0, 100, ())}


async def attempted(store, delivery, result, *, more=0, circuit=None):
    """Settle an attempt that came to `result`, and that may be followed by `more`."""
    settlement = settle(delivery, Outcome(result=result), (60.0,) * more, (SINCE + 50_000, SINCE + 50_100), 0.5)
    return await store.outbox.settle(delivery.receiver, [settlement], circuit or Circuit())


async def test_one_delivery_is_replayed(store):
    """A dead delivery is due now, as one that was never tried, with the id and the bytes that it had; no other is touched."""
    before = await claimed(store)
    await attempted(store, before[2], Result.SERVER)
    await attempted(store, before[4], Result.DELIVERED)
    untouched = await rows(store), await rows(store, "other")
    assert untouched[0][0][1:3] == ("dead", 1)
    assert await store.replay(Replay(receiver="pipeline", seq=2), LATER) == ReplayResult(deliveries=1)
    again = await rows(store)
    assert again == [(2, "pending", 0, LATER, None, None), *untouched[0][1:]]
    assert await rows(store, "other") == untouched[1]
    assert (await claimed(store))[2] == msgspec.structs.replace(before[2], replays=1)


async def test_attempts_of_before_are_kept_and_counted_on(store):
    """What was tried before a replay stays on record; the next attempt has the next number."""
    await attempted(store, (await claimed(store))[2], Result.SERVER)
    await store.replay(Replay(receiver="pipeline", seq=2), LATER)
    await attempted(store, (await claimed(store))[2], Result.DELIVERED)
    numbered = await fetch(store, "SELECT number, result FROM attempts ORDER BY number")
    assert [tuple(row) for row in numbered] == [(1, "server"), (2, "delivered")]


async def test_all_dead_of_one_receiver(store):
    """Only what is dead, and only of the receiver that is named, is pending again."""
    for receiver in ("pipeline", "other"):
        before = await claimed(store, receiver)
        for seq, result in ((2, Result.SERVER), (4, Result.DELIVERED), (6, Result.REFUSED)):
            await attempted(store, before[seq], result)
    assert await store.replay(Replay(receiver="pipeline", dead=True), LATER) == ReplayResult(deliveries=2)
    assert [row[1] for row in await rows(store)] == ["pending", "delivered", "pending"]
    assert [row[1] for row in await rows(store, "other")] == ["dead", "delivered", "dead"]


@pytest.mark.parametrize(
    ("wanted", "seqs"),
    [
        ({"from_seq": 3, "to_seq": 5}, [3, 4, 5]),
        ({"from_seq": 4, "to_seq": 4}, [4]),
        ({"from_seq": 5}, [5, 6]),
        ({"from_seq": 7}, []),
        ({"since": SINCE + 10_000, "until": SINCE + 20_000}, [3, 4]),
        ({"since": SINCE, "until": SINCE + 1}, [1, 2]),
        ({"since": SINCE + 10_001}, [5, 6]),
        ({"since": SINCE + 20_001}, []),
        ({"since": SINCE, "until": SINCE}, []),
        ({"seq": 4}, [4]),
        ({"seq": 3}, []),
        ({"seq": 99}, []),
        ({"dead": True}, []),
    ],
)
async def test_what_is_chosen(store, wanted, seqs):
    """A range has every event between its ends, whatever the filter; one delivery has to be there; nothing else is changed."""
    for delivery in (await claimed(store)).values():
        await attempted(store, delivery, Result.DELIVERED)
    others = await rows(store, "other")
    assert await store.replay(Replay(receiver="pipeline", **wanted), LATER) == ReplayResult(deliveries=len(seqs))
    assert [row for row in await rows(store) if row[1] == "pending"] == [(seq, "pending", 0, LATER, None, None) for seq in seqs]
    assert {row[0] for row in await rows(store)} == {2, 4, 6, *seqs}
    assert await rows(store, "other") == others


async def test_range_reaches_history(store):
    """History that was logged before the first contact is delivered where a range asks for it."""
    old = msgspec.structs.replace(seen("old", status="SUCCESS", now=LATER), backfilled=True)
    await store.record("default", [old])
    assert [row[0] for row in await rows(store)] == [2, 4, 6]
    await store.replay(Replay(receiver="pipeline", from_seq=7, to_seq=8), LATER)
    assert (await claimed(store)).keys() == {2, 4, 6, 7}, "8 is held back by 7, of the same job"


async def test_streams_are_those_that_order_is_kept_within(engine):
    """A delivery that a range makes is in the stream of its event, whatever that is about and however its job is called."""
    async with engine.store() as store:
        await store.record("default", [seen(id_) for id_ in ("job-1", "a/b", "nul\0behind", "ünï%_'\"", "batch.")])
        about = [("account.unreachable", "default", {}), ("receiver.failing", "", {"receiver": 'pi"pe\\line'})]
        await store.append([plain_event(type_, account, data, LATER) for type_, account, data in about])
        await store.record("other", [moved(seen(account="other"), status="RUNNING")])
        await store.replay(Replay(receiver="pipeline", from_seq=1), LATER)
        log = await fetch(store, "SELECT seq, type, body FROM events ORDER BY seq")
        expected = [(seq, type_, stream_of(msgspec.json.decode(body, type=Event))) for seq, type_, body in log]
        assert len(expected) == 8
        assert await rows(store, columns="seq, type, stream") == expected


@pytest.mark.parametrize(("failures", "kept"), [(1, FAILURES_TO_OPEN), (FAILURES_TO_OPEN + 3, FAILURES_TO_OPEN + 3)])
async def test_disabled_receiver_is_enabled_to_be_probed(store, failures, kept):
    """A receiver that answered 410 is tried again, by one delivery first; the result says once that it was disabled."""
    quiet = {"quiet_until": LATER * 2, "asked_until": LATER * 2}
    gone = Circuit(failures=failures, since=SINCE, **quiet, reason="gone", detail="HTTP 410", disabled=True)
    await attempted(store, (await claimed(store))[2], Result.GONE, circuit=gone)
    assert await store.replay(Replay(receiver="pipeline", seq=2), LATER) == ReplayResult(deliveries=1, enabled=True)
    probed = await store.outbox.circuit("pipeline")
    assert probed == msgspec.structs.replace(gone, failures=kept, quiet_until=0, asked_until=0, disabled=False)
    assert probed.limit(LATER, 16) == 1
    assert await store.replay(Replay(receiver="pipeline", seq=2), LATER) == ReplayResult(deliveries=1, enabled=False)


@pytest.mark.parametrize(("wanted", "enabled"), [({"dead": True}, True), ({"seq": 99}, False), ({"from_seq": 7}, False)])
async def test_what_enables_where_nothing_is_replayed(store, wanted, enabled):
    """All dead of a disabled receiver, if none, enables it for what is pending; a mistaken number or range does not."""
    gone = Circuit(failures=1, disabled=True)
    await attempted(store, (await claimed(store))[2], Result.GONE, circuit=gone)
    assert await store.replay(Replay(receiver="pipeline", **wanted), LATER) == ReplayResult(deliveries=0, enabled=enabled)
    assert (await store.outbox.circuit("pipeline")).disabled is not enabled
    assert [row[1] for row in await rows(store)] == ["pending"] * 3


@pytest.mark.parametrize(
    ("circuit", "quiet_until"),
    [
        (Circuit(), 0),
        (Circuit(failures=1, reason="rate_limited", quiet_until=LATER + 5, asked_until=LATER + 5), LATER + 5),
        (Circuit(failures=FAILURES_TO_OPEN, reason="server", quiet_until=LATER + 5), 0),
    ],
)
async def test_circuit_of_others(store, circuit, quiet_until):
    """A failing receiver is probed at once; one that is well, or asked to be left in peace for a while, stays as it is."""
    await attempted(store, (await claimed(store))[2], Result.SERVER, circuit=circuit)
    assert await store.replay(Replay(receiver="pipeline", seq=2), LATER) == ReplayResult(deliveries=1)
    assert await store.outbox.circuit("pipeline") == msgspec.structs.replace(circuit, quiet_until=quiet_until)


async def test_receiver_that_was_never_settled(store):
    """A range for a receiver of which the database knows nothing yet makes its deliveries."""
    assert await store.replay(Replay(receiver="new", from_seq=1, to_seq=6), LATER) == ReplayResult(deliveries=6)
    assert (await claimed(store, "new")).keys() == {1, 3, 5}
    assert await store.outbox.circuit("new") == Circuit()


@pytest.mark.parametrize(
    ("result", "row"),
    [(Result.SERVER, (2, "pending", 0, LATER, None, None)), (Result.DELIVERED, (2, "delivered", 1))],
)
async def test_attempt_that_is_under_way_during_a_replay(store, result, row):
    """Its failure does not concern the delivery that starts again, though it was the last of its schedule; its success does."""
    await attempted(store, (await claimed(store))[2], Result.SERVER, more=1)
    under_way = (await claimed(store))[2]
    assert under_way.attempts == 1
    await store.replay(Replay(receiver="pipeline", seq=2), LATER)
    await attempted(store, under_way, result)
    assert (await rows(store))[0][: len(row)] == row
    assert (await fetch(store, "SELECT count(*) FROM attempts"))[0][0] == 2


@pytest.mark.parametrize(
    ("which", "due_at"),
    [(Replay(receiver="pipeline", seq=2), LATER), (Replay(receiver="pipeline", from_seq=2), LATER), (None, SINCE + 110_100)],
    ids=["one", "range", "no replay"],
)
async def test_first_attempt_that_is_under_way_during_a_replay_and_fails(store, which, due_at):
    """The failure of a first attempt does not make a replayed delivery wait out its schedule; without a replay it does."""
    under_way = (await claimed(store))[2]
    assert under_way.attempts == 0
    if which:
        await store.replay(which, LATER)
    assert await attempted(store, under_way, Result.SERVER, more=1) == (set() if which else {2})
    assert (await rows(store, columns="seq, due_at"))[0] == (2, due_at)


async def test_replayed_progress_is_sent_though_there_is_newer(engine):
    """A range that is replayed is sent whole: the next event of a job supersedes only progress that was not replayed."""
    async with engine.store([Subscription(receiver="pipeline", events=("batch.*",))]) as store:
        change = seen("job", status="RUNNING", now=SINCE)
        for number in (1, 2, 3):
            await store.record("default", [change])
            change = moved(change, now=SINCE + number, completed_requests=number)
        assert await rows(store, columns="seq, state") == [(1, "pending"), (2, "pending"), (3, "superseded"), (4, "pending")]
        await store.replay(Replay(receiver="pipeline", from_seq=1, to_seq=3), LATER)
        await store.record("default", [change])
        wanted = [(1, "pending"), (2, "pending"), (3, "pending"), (4, "superseded"), (5, "pending")]
        assert await rows(store, columns="seq, state") == wanted


@pytest.mark.parametrize("result", [Result.DELIVERED, Result.SERVER])
async def test_delivery_that_is_gone_when_its_attempt_is_settled(store, result):
    """What was pruned, moved or dropped while it was under way is settled as nothing, and the next one is settled as ever."""
    under_way = await claimed(store)
    await execute(store, "DELETE FROM deliveries WHERE seq = 2")
    assert await attempted(store, under_way[2], result) == set()
    assert await attempted(store, under_way[4], result) == {4}


async def test_enabling_has_what_waits_tried_at_once(store):
    """A receiver that is said to be well again is tried now: no delivery waits out the schedule of its failures."""
    await attempted(store, (await claimed(store))[2], Result.SERVER, more=1)
    assert await store.enable_receiver("pipeline", SINCE + 60_000) is False
    assert (await rows(store, columns="attempts, due_at"))[0] == (1, SINCE + 60_000)


async def test_log_is_untouched(store):
    """A replay changes no event and adds none."""
    columns = "SELECT seq, id, type, account, job, created_at, observed_at, backfilled, body FROM events ORDER BY seq"
    before = await fetch(store, columns)
    await store.replay(Replay(receiver="pipeline", from_seq=1), LATER)
    assert [tuple(row) for row in await fetch(store, columns)] == [tuple(row) for row in before]
    assert json.loads(before[0][-1])["observed_at"] == iso(SINCE)
