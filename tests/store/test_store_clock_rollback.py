"""What an outbox makes of waits that began by a clock that was ahead, and was set back since."""

import msgspec
import pytest
from job_changes import CHECKPOINT, SINCE, seen, seen_many
from outboxes import DELIVERED, FAILED, attempt, attempted, claimed, failing, next_due, rows, seqs

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN, Circuit
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.deliveries.replay import Replay

DAY = 86_400_000
AHEAD = SINCE + 2 * DAY
GATHERING = Subscription(receiver="pipeline", events=("*",), delay=10.0)


@pytest.fixture
def store(with_receivers):
    return with_receivers


async def test_wait_that_began_later_than_now_begins_now(store):
    """A retry is as far away as its schedule says, and its hold is over no later; what began in the past stays as it is."""
    await store.record("default", seen_many(3))
    await attempt(store, 1, FAILED, at=SINCE + 10, wait=600.0)
    await attempt(store, 2, FAILED, at=SINCE + 20, wait=600.0)
    await attempt(store, 2, FAILED, at=AHEAD, wait=600.0)
    await attempt(store, 3, FAILED, at=AHEAD, wait=60.0)
    now = SINCE + 1000
    assert await store.outbox.roll_back_clock("pipeline", now) == 2
    assert await rows(store, "seq, due_at, first_failed_at") == [
        (1, SINCE + 600_010, SINCE + 10),
        (2, now + 600_000, SINCE + 20),
        (3, now + 60_000, now),
    ]
    assert await next_due(store, now, 0.0) == now + 60_000


async def test_clock_that_is_set_back_step_by_step(store):
    """A wait that began again by a clock that was still ahead is over once that clock is set back too."""
    await store.record("default", [seen()])
    circuit = msgspec.structs.replace(failing(FAILURES_TO_OPEN), since=AHEAD, quiet_until=AHEAD + 120_000)
    await attempt(store, 1, FAILED, at=AHEAD, wait=600.0, circuit=circuit)
    step, now = SINCE + DAY, SINCE + 1000
    await store.outbox.roll_back_clock("pipeline", step)
    assert await rows(store, "due_at") == [(step + 600_000,)]
    assert (await store.outbox.circuit("pipeline")).quiet_until == step + 120_000
    await store.outbox.roll_back_clock("pipeline", now)
    assert await rows(store, "due_at") == [(now,)]
    assert (await store.outbox.circuit("pipeline")).quiet_until == now


async def test_a_wait_after_a_true_attempt_is_true(store):
    """However many attempts were made by the wrong clock before: the last one is what it waits after."""
    await store.record("default", [seen()])
    await attempt(store, 1, FAILED, at=AHEAD)
    await store.outbox.roll_back_clock("pipeline", SINCE)
    await attempt(store, 1, FAILED, at=SINCE + 60_000, wait=600.0)
    assert await store.outbox.roll_back_clock("pipeline", SINCE + 61_000) == 0
    assert await rows(store, "due_at") == [(SINCE + 660_000,)]


async def test_what_was_never_tried_waits_as_long_as_events_gather(engine):
    """An event of the future, or one that was replayed then, waits for its first attempt no longer than any other."""
    async with engine.store([GATHERING]) as store:
        await store.checkpoint("default", CHECKPOINT)
        await store.record("default", [seen("past"), seen("replayed")])
        await attempt(store, 2, DELIVERED, at=SINCE + 10_000)
        await store.replay(Replay(receiver="pipeline", seq=2), AHEAD)
        await store.record("default", [seen("ahead", now=AHEAD)])
        now = SINCE + 5_000
        assert await store.outbox.roll_back_clock("pipeline", now) == 2
        assert await rows(store, "seq, due_at") == [(1, SINCE + 10_000), (2, now + 10_000), (3, now + 10_000)]


@pytest.mark.parametrize(
    ("failed_at", "quiet_until"), [(AHEAD, SINCE + 1000 + 120_000), (SINCE + 10, SINCE + 120_010)], ids=["ahead", "past"]
)
async def test_quiet_that_began_later_than_now_begins_now(store, failed_at, quiet_until):
    """A receiver is left in peace for as long as was meant, and has not failed since a time that is still to come."""
    await store.record("default", [seen()])
    circuit = msgspec.structs.replace(
        failing(FAILURES_TO_OPEN), since=failed_at, quiet_until=failed_at + 120_000, asked_until=failed_at + 120_000
    )
    await attempt(store, 1, FAILED, at=failed_at, circuit=circuit)
    now = SINCE + 1000
    await store.outbox.roll_back_clock("pipeline", now)
    rewound = msgspec.structs.replace(circuit, since=min(failed_at, now), quiet_until=quiet_until, asked_until=quiet_until)
    assert await store.outbox.circuit("pipeline") == rewound


async def test_what_was_asked_by_a_clock_that_was_ahead_is_over(store):
    """Only what the last attempt was asked for holds back a delivery once its receiver takes others again."""
    await store.record("default", seen_many(2))
    await attempt(store, 1, FAILED, at=AHEAD, wait=0.1, retry_after=600.0)
    await store.outbox.roll_back_clock("pipeline", SINCE)
    await attempt(store, 1, FAILED, at=SINCE + 600_000, wait=600.0, circuit=failing(FAILURES_TO_OPEN))
    await attempt(store, 2, DELIVERED, at=SINCE + 600_020)
    assert await rows(store, "seq, due_at") == [(1, SINCE + 600_020), (2, SINCE + 600_020)]


async def test_a_replay_of_one_begins_again_too(store):
    """A receiver that is well and asked to be left in peace is left in peace for as long as it asked."""
    await store.record("default", [seen()])
    wish = Circuit(quiet_until=AHEAD + 120_000, asked_until=AHEAD + 120_000)
    await attempt(store, 1, FAILED, at=AHEAD, circuit=wish)
    now = SINCE + 1000
    await store.outbox.roll_back_clock("pipeline", now)
    assert await store.outbox.circuit("pipeline") == Circuit(quiet_until=now + 120_000, asked_until=now + 120_000)


async def test_attempts_of_others_say_nothing(store):
    """That the clock was ahead while another receiver was tried changes nothing for one that was not."""
    await store.record("default", [seen(status="SUCCESS")])
    circuit = msgspec.structs.replace(failing(FAILURES_TO_OPEN), quiet_until=SINCE + 120_010, asked_until=SINCE + 120_010)
    await attempt(store, 1, DELIVERED)
    await attempt(store, 2, FAILED, wait=600.0, circuit=circuit)
    (others,) = await claimed(store, now=AHEAD, receiver="other")
    await store.outbox.settle("other", [attempted(others, FAILED, AHEAD)], Circuit())
    now = SINCE + 1000
    assert await store.outbox.roll_back_clock("pipeline", now) == 0
    assert (await rows(store, "seq, due_at"))[1] == (2, SINCE + 600_010)
    assert await store.outbox.circuit("pipeline") == circuit


async def test_other_receivers_are_not_concerned(store):
    """Other receivers have deliverers of their own; what has ended, and a receiver that never failed, stay as they are."""
    await store.record("default", [seen(status="SUCCESS", now=AHEAD)])
    await attempt(store, 1, DELIVERED, at=AHEAD)
    ended = await rows(store, "seq, state, due_at, ended_at")
    before = await rows(store, "due_at", receiver="other")
    await store.outbox.roll_back_clock("pipeline", SINCE)
    assert (await rows(store, "seq, state, due_at, ended_at"))[0] == ended[0]
    assert await rows(store, "due_at", receiver="other") == before
    assert await store.outbox.circuit("other") == Circuit()


async def test_what_is_due_itself_is_not_overtaken(store):
    """Once its hold is over by the clock, which may have jumped, an event still goes before its job's later ones if it can."""
    await store.record("default", [seen(status="RUNNING")])
    await attempt(store, 1, FAILED, at=SINCE + 10, wait=3600.0)
    assert await seqs(store, now=SINCE + 900_010) == [2]
    assert await seqs(store, now=AHEAD) == [1]
    assert await seqs(store, now=AHEAD, under_way={1}) == []
