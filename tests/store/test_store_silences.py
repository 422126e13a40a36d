"""Silences: what matches one is kept and not sent, and at its end one event says what was missed."""

import json

import msgspec
import pytest
from job_changes import CHECKPOINT, SINCE, moved, seen
from outboxes import attempted, claimed
from tables import fetch

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Result
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.deliveries.replay import Replay
from tracker.core.events.event import iso, plain_event
from tracker.core.queries.filters import DeliveryFilter
from tracker.core.silences.silence import MOST_OPEN, Scope, SilenceRequest, SilenceStatus, requested_silence
from tracker.metrics.deliveries.silences import ActiveSilenceMetrics, SilencedMetrics

ENDS = ("batch.completed", "batch.failed", "batch.expired", "batch.cancelled")
SLACK = Subscription(receiver="slack", events=ENDS)
PROGRESS = Subscription(receiver="progress", events=("batch.*",))
WEBHOOK = Subscription(receiver="webhook", events=ENDS, is_webhook=True)
HOUR = 3600.0


@pytest.fixture
async def store(engine):
    async with engine.store([SLACK, PROGRESS, WEBHOOK]) as store:
        await store.checkpoint("default", CHECKPOINT)
        yield store


def silence(store, scope=None, *, seconds=HOUR, starts_at=None, reason="a deployment"):
    request = SilenceRequest(scope=scope or Scope(), reason=reason, seconds=seconds, starts_at=starts_at)
    return requested_silence(request, store.now(), "command")


async def silenced(store, scope=None, **how):
    """A silence that is in force."""
    made = silence(store, scope, **how)
    await store.silences.add(made, store.now())
    return made


async def ended(store, name="job", **properties):
    """A job that was seen for the first time, and had ended."""
    status = properties.pop("status", "SUCCESS")
    await store.record("default", [seen(name, status=status, **properties)])


async def states(store, receiver):
    """The state of each delivery to the receiver that is not about a silence, as the table has it."""
    sql = "SELECT state, silence FROM deliveries WHERE receiver = ? AND type NOT LIKE 'silence.%' ORDER BY seq"
    return [tuple(row) for row in await fetch(store, sql, receiver)]


async def shown(engine, receiver, *wanted):
    """The state of each delivery to the receiver, and the silence that keeps it, as a reader shows them."""
    async with engine.reader() as reader:
        found = await reader.deliveries((0, ""), DeliveryFilter(receiver=receiver, states=wanted))
    return [(each["state"], each["silence"]) for each in found]


async def over(engine):
    """What is in the log of ends of silences."""
    return [event["data"] for event in await engine.log() if event["type"] == "silence.ended"]


async def receivers_of_end(store):
    sql = "SELECT receiver, state FROM deliveries WHERE type = 'silence.ended' ORDER BY receiver"
    return [tuple(row) for row in await fetch(store, sql)]


async def test_what_matches_is_kept_and_not_sent(store, engine):
    """A delivery that a silence matches is silenced in the transaction of its event; a webhook gets it as ever."""
    made = await silenced(store, Scope(events=("batch.*",)))
    await ended(store)
    assert await shown(engine, "slack") == [("silenced", made.id)]
    assert await shown(engine, "webhook") == [("pending", None)]
    assert await claimed(store, receiver="slack", now=store.now() + 1) == []
    assert len(await claimed(store, receiver="webhook", now=store.now() + 1)) == 1


async def test_webhook_is_silenced_if_it_is_asked_for(store, engine):
    """A silence that says so keeps from webhooks too what it matches."""
    made = await silenced(store, Scope(webhooks=True, receivers=("webhook",)))
    await ended(store)
    assert await shown(engine, "webhook") == [("silenced", made.id)]
    assert await shown(engine, "slack") == [("pending", None)]


async def test_states_are_filtered_as_they_are_shown(store, engine):
    """What is silenced is found by that state alone, and not as superseded."""
    await ended(store, "before")
    await store.record("default", [moved(seen("before", status="SUCCESS"), metadata={"more": "1"})])
    made = await silenced(store, Scope(receivers=("progress",), events=("batch.deleted", "batch.completed")))
    await ended(store, "after")
    assert await shown(engine, "progress", "silenced") == [("silenced", made.id)] * 2
    assert await shown(engine, "progress", "superseded") == []
    assert [state for state, _ in await shown(engine, "progress", "silenced", "pending")].count("silenced") == 2


async def test_pending_deliveries_are_silenced_with_it(store, engine):
    """Making a silence silences what is pending and matches, but nothing that was replayed or is over."""
    await ended(store, "one")
    await ended(store, "two")
    await ended(store, "three", status="FAILED")
    (first, second, _) = await claimed(store, receiver="slack")
    await store.outbox.settle("slack", [attempted(first, Result.DELIVERED, SINCE)], Circuit())
    await store.replay(Replay(receiver="slack", seq=second.seq), store.now())
    counted = []
    store.silences.watch(counted.append)
    made = silence(store, Scope(receivers=("slack",)))
    assert await store.silences.add(made, store.now()) == 1
    assert await shown(engine, "slack") == [("delivered", None), ("pending", None), ("silenced", made.id)]
    assert counted == [{"slack": 1}]


async def test_one_that_was_being_sent_is_delivered(store, engine):
    """An attempt that was under way when its delivery was silenced settles it; one that fails leaves it silenced."""
    await ended(store, "one")
    await ended(store, "two")
    one, two = await claimed(store, receiver="slack")
    made = await silenced(store)
    await store.outbox.settle("slack", [attempted(one, Result.DELIVERED, SINCE)], Circuit())
    await store.outbox.settle("slack", [attempted(two, Result.SERVER, SINCE)], Circuit())
    assert await shown(engine, "slack") == [("delivered", None), ("silenced", made.id)]


async def test_silenced_progress_supersedes_nothing(store, engine):
    """A pending progress stays pending where the later event of its job is silenced."""
    first = seen("job", status="RUNNING", total_requests=9)
    await store.record("default", [first])
    later = moved(first, completed_requests=3)
    await store.record("default", [later])
    await silenced(store, Scope(events=("batch.completed",)))
    await store.record("default", [moved(later, status="SUCCESS", completed_requests=9, succeeded_requests=9)])
    assert [state for state, _ in await shown(engine, "progress")][-2:] == ["pending", "silenced"]


async def test_end_says_once_what_was_missed(store, engine):
    """After the end one event, to the receivers that missed something alone, counts what was kept, the worst first."""
    made = await silenced(store, Scope(account="default"))
    await ended(store, "good")
    await ended(store, "bad", status="FAILED", errors=[{"message": "no quota", "count": 3}])
    (event,) = await store.silences.advance(made.ends_at)
    assert await store.silences.advance(made.ends_at + 1) == ()
    (data,) = await over(engine)
    assert data == event.data
    assert [*data["types"].items()] == [("batch.failed", 1), ("batch.completed", 1), ("batch.created", 2)]
    assert (data["missed"], data["receivers"]) == (4, {"progress": 4, "slack": 2})
    assert [(job["id"], job["type"]) for job in data["jobs"]] == [("bad", "batch.failed"), ("good", "batch.completed")]
    assert (data["jobs"][0]["error"], data["jobs_omitted"]) == ("3 times: no quota", 0)
    assert (data["reason"], data["scope"], data["ended_at"]) == ("a deployment", "account default", iso(made.ends_at))
    assert await receivers_of_end(store) == [("progress", "pending"), ("slack", "pending")]


async def test_silence_that_kept_nothing_sends_nothing(store, engine):
    """The end of a silence that silenced nothing is in the log and goes to no receiver."""
    made = await silenced(store)
    assert len(await store.silences.advance(made.ends_at)) == 1
    assert [data["missed"] for data in await over(engine)] == [0]
    assert await receivers_of_end(store) == []


async def test_lifted_silence_ends_at_once(store, engine):
    """A silence that is lifted sends its digest, and silences nothing from then on; a second time there is nothing to lift."""
    made = await silenced(store)
    await ended(store, "one")
    assert await store.silences.lift(made.id, store.now())
    assert not await store.silences.lift(made.id, store.now())
    await ended(store, "two")
    assert await shown(engine, "slack") == [("silenced", made.id), ("pending", None), ("pending", None)]
    (data,) = await over(engine)
    assert (data["ended_at"] < data["until"], data["missed"]) == (True, 2)


async def test_another_silence_keeps_the_digest(store, engine):
    """The digest is an event as others are: a wider silence keeps it, and its own digest counts it."""
    wide = await silenced(store, seconds=2 * HOUR)
    narrow = await silenced(store, Scope(receivers=("slack",)), seconds=HOUR, reason="another")
    await ended(store)
    assert await shown(engine, "slack") == [("silenced", wide.id)], "the one that ends last keeps it"
    assert await store.silences.lift(narrow.id, store.now())
    assert await receivers_of_end(store) == []


async def test_silence_that_begins_later(store, engine):
    """Before its start a silence keeps nothing; then it begins once, and silences what is pending."""
    made = silence(store, starts_at=store.now() + 3_600_000)
    assert await store.silences.add(made, store.now()) == 0
    await ended(store)
    assert await shown(engine, "slack") == [("pending", None)]
    assert [event.type for event in await store.silences.advance(made.starts_at)] == ["silence.started"]
    assert await store.silences.advance(made.starts_at + 1) == ()
    assert await shown(engine, "slack") == [("silenced", made.id)]


async def test_replay_sends_what_was_silenced(store, engine):
    """A replay makes a silenced delivery pending, with its id and body, and the end no longer counts it."""
    made = await silenced(store)
    await ended(store)
    ((seq,),) = await fetch(store, "SELECT seq FROM deliveries WHERE receiver = 'slack'")
    await store.replay(Replay(receiver="slack", seq=seq), store.now())
    assert await shown(engine, "slack") == [("pending", None)]
    await store.silences.lift(made.id, store.now())
    assert [data["receivers"] for data in await over(engine)] == [{"progress": 2}]


async def test_windows_are_planned_once(store, engine):
    """A window that was lifted does not come back; one that is no longer planned ends, and may come back if it never began."""
    first = msgspec.structs.replace(silence(store), window="nights", created_by="maintenance")
    later = msgspec.structs.replace(silence(store, starts_at=store.now() + 10**8, reason="later"), window="nights")
    for _ in range(2):
        await store.silences.plan([first, later], store.now(), only=True)
    await store.silences.advance(store.now())
    async with engine.reader() as reader:
        assert [each.silence.id for each in await reader.silences()] == [first.id, later.id]
    assert [each.id for each in engine.statistics().open_silences()] == [first.id, later.id]
    await store.silences.lift(first.id, store.now())
    await store.silences.plan([first], store.now(), only=False)
    async with engine.reader() as reader:
        assert [each.silence.id for each in await reader.silences()] == [later.id]
    await store.silences.plan([], store.now(), only=True)
    async with engine.reader() as reader:
        assert [each.silence.id for each in await reader.silences(ended=10)] == [first.id]
    await store.silences.plan([first, later], store.now(), only=True)
    async with engine.reader() as reader:
        assert [each.silence.id for each in await reader.silences()] == [later.id], "it had not begun: it comes back"


async def test_window_that_is_put_back_while_it_is_in_force_begins_at_once(store, engine):
    """It is another silence, which reports only what it has kept itself; one that a person lifted stays over."""
    now = store.now()
    window = msgspec.structs.replace(silence(store, Scope(events=("batch.*",))), window="nights")
    for job in ("one", "two"):
        await store.silences.plan([window], now, only=True)
        assert [event.type for event in await store.silences.advance(now)] == ["silence.started"]
        await ended(store, job)
        assert [event.type for event in await store.silences.plan([], now, only=True)] == ["silence.ended"]
        now += 1
    for _ in range(2):
        await store.silences.plan([window], now, only=True)
    async with engine.reader() as reader:
        (found,) = await reader.silences()
        kept = await reader.silences(ended=10)
    assert (found.silence.starts_at, found.silence.ends_at) == (window.starts_at, window.ends_at)
    assert len({each.silence.id for each in kept}) == 3
    assert sum(data["missed"] for data in await over(engine)) == 4
    await store.silences.lift(found.silence.id, now)
    await store.silences.plan([window], now, only=True)
    async with engine.reader() as reader:
        assert await reader.silences() == []


async def test_window_that_kept_something_ends_with_its_digest(store, engine):
    """One that is no longer planned, and had kept something before its beginning was logged, says so as others do."""
    now = store.now()
    window = msgspec.structs.replace(silence(store), window="nights")
    await store.silences.plan([window], now, only=True)
    await ended(store)
    assert [event.type for event in await store.silences.plan([], now, only=True)] == ["silence.ended"]
    assert [data["missed"] for data in await over(engine)] == [2]


async def test_list_has_what_is_open_and_the_last_that_ended(store, engine):
    """The list shows each silence as it was made, when it began and ended, and how much it keeps."""
    made = await silenced(store, Scope(account="default", metadata={"team": "a*"}, model="m"))
    other = await silenced(store, reason="another")
    await ended(store)
    now = store.now()
    await store.silences.lift(other.id, now)
    async with engine.reader() as reader:
        (first,), (_, last) = await reader.silences(), await reader.silences(ended=1)
    assert msgspec.structs.replace(first.silence, started_at=None) == made
    assert first.silenced == 0
    assert last == SilenceStatus(
        silence=msgspec.structs.replace(other, started_at=last.silence.started_at, ended_at=now), silenced=3
    )


async def test_number_of_open_silences_is_bounded(store):
    """The number of open silences is bounded: each event is compared with all of them."""
    later = [
        msgspec.structs.replace(silence(store, starts_at=store.now() + 10**8), id=f"sil_{number}", window="w")
        for number in range(MOST_OPEN)
    ]
    await store.silences.plan(later, store.now(), only=False)
    assert await store.silences.add(silence(store), store.now()) is None


async def test_what_was_silenced_is_pruned_after_its_silence(store, engine):
    """What an open silence keeps is never pruned; after its end it is, with the silence."""
    made = await silenced(store)
    await ended(store)
    assert await store.prune(made.ends_at * 2) == 0
    await store.silences.advance(made.ends_at)
    assert await store.prune(made.ends_at) == 0
    assert await store.prune(made.ends_at + 1) == 3
    async with engine.reader() as reader:
        assert await reader.silences(ended=10) == []


async def test_events_of_accounts_and_receivers_are_silenced(store, engine):
    """An account's event is silenced by its account, a receiver's by the receiver that it is about."""
    store.subscribe([Subscription(receiver="slack", events=("*",))])
    await silenced(store, Scope(account="default"))
    await silenced(store, Scope(receivers=("other",)))
    await store.append([plain_event("account.unreachable", "default", {"account": "default"}, SINCE)])
    for name in ("other", "third"):
        event = plain_event("receiver.failing", "", {"receiver": name}, SINCE)
        await store.outbox.settle("x", [], Circuit(), lambda _, made=event: [made])
    assert [state for state, _ in await shown(engine, "slack")] == ["silenced", "silenced", "pending"]
    assert json.dumps(await over(engine)) == "[]"


async def test_metrics_of_silences(store, engine):
    """The gauge has those in force, neither scheduled nor over; the counter what was silenced, from 0 on."""
    metrics = SilencedMetrics()
    metrics.configured(["slack", "other"])
    store.silences.watch(metrics.silenced)
    made = await silenced(store, Scope(receivers=("slack",)))
    await store.silences.add(silence(store, starts_at=store.now() + 10**7), store.now())
    await ended(store)
    assert values(metrics) == {"slack": 1.0, "other": 0.0}
    now = store.now()
    for at, number in ((now, 1.0), (made.ends_at, 0.0)):
        (family,) = ActiveSilenceMetrics(engine.statistics(), lambda at=at: at).collect()
        assert [sample.value for sample in family.samples] == [number]


def values(metrics):
    """The counter by receiver."""
    (family,) = metrics.collect()
    return {sample.labels["receiver"]: sample.value for sample in family.samples}
