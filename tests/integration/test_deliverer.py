"""Deliveries over real HTTP and real SQLite: order, retries, the circuit, and what a restart makes of them."""

import json
import math
import random
from collections import Counter
from contextlib import asynccontextmanager
from itertools import pairwise

import anyio
import pytest
from receiving import receiving
from starlette.responses import Response
from storage_engines import ON_EACH, open_any_store
from tables import fetch

from tracker.core.deliveries.adaptive_concurrency_per_receiver import MAX_CONCURRENCY
from tracker.core.deliveries.circuit import FAILURES_TO_OPEN
from tracker.core.deliveries.delivery import DeliveryPolicy
from tracker.core.deliveries.fan_out import Match, Subscription
from tracker.core.events.event import iso
from tracker.core.events.job_diff import diff, first_seen
from tracker.core.jobs.job_reading import read_job
from tracker.core.ports.store import Checkpoint
from tracker.delivery.deliverer import MAX_SLEEP, Deliverer
from tracker.delivery.notifiers.webhook.notifier import Webhook
from tracker.http.client import http_client, tls_context
from tracker.http.rate_limiter import RateLimiter

BEGAN = 1_795_500_000_000
COUNTERS = ("total_requests", "completed_requests", "succeeded_requests", "failed_requests")


def job(id_, status="RUNNING", done=0, **properties):
    counters = dict.fromkeys(COUNTERS, 0) | {"total_requests": 100, "completed_requests": done, "succeeded_requests": done}
    return read_job({"id": id_, "status": status, "created_at": 1_795_000_000} | counters | properties)


class Killed(BaseException):
    """The process ends here."""


class Bench:
    """A store, a receiver's deliverer, and a clock that is set; `log` makes events of jobs."""

    def __init__(self, path):
        self.path = path
        self.now = BEGAN
        self.jobs = {}

    @asynccontextmanager
    async def delivering(self, url, *, retry=(5.0, 60.0, 600.0), hold=900.0, events=("*",), match=None, rate_limit=math.inf):
        subscription = Subscription(receiver="pipeline", events=tuple(events), match=match or Match())
        async with http_client(tls_context()) as http, open_any_store(self.path, [subscription]) as self.store:
            await self.store.checkpoint("default", Checkpoint(since=0, horizon=0))
            webhook = Webhook(http, url, (), timeout=2.0, now=lambda: self.now)
            self.deliverer = Deliverer(
                "pipeline",
                DeliveryPolicy(retry=tuple(retry), hold=hold),
                webhook,
                self.store.outbox,
                self.store.wakeups,
                now=lambda: self.now,
                jitter=lambda: 0.5,
                rate_limit=RateLimiter(rate_limit),
            )
            yield self.deliverer

    async def log(self, *jobs):
        """Log what these observations change."""
        changes = []
        for each in jobs:
            known = self.jobs.get(each.id)
            change = diff("default", known, each, self.now) if known else first_seen("default", each, self.now)
            self.jobs[each.id] = change.known
            changes.append(change)
            self.now += 1
        await self.store.record("default", changes)

    async def states(self):
        return await fetch(self.store, "SELECT seq, state, attempts FROM deliveries ORDER BY seq")

    async def reports(self):
        """The events about the receiver."""
        bodies = await fetch(self.store, "SELECT body FROM events WHERE type LIKE 'receiver.%' ORDER BY seq")
        return [json.loads(body) for (body,) in bodies]

    async def deliver_all(self, within):
        """Deliver, the clock set to when the deliverer would wake, until nothing is pending, within `within` seconds."""
        until = self.now + within * 1000
        await self.deliverer.deliver_due()
        while any(state == "pending" for _, state, _ in await self.states()):
            await self.due_next()
            assert self.now <= until
            await self.deliverer.deliver_due()

    async def due_next(self):
        """Set the clock to when the deliverer would wake by itself."""
        self.now += round(await self.deliverer._seconds_until_due(self.now) * 1000)


@ON_EACH
async def test_events_arrive_once_in_order_with_their_own_bytes(database):
    """Each event of the log is posted once, as the log holds it, the events of one job in its order."""
    async with receiving() as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url) as deliverer:
            await bench.log(*[job(f"job-{number}", "QUEUED") for number in range(30)])
            await bench.log(*[job(f"job-{number}", "RUNNING") for number in range(30)])
            await bench.log(*[job(f"job-{number}", "SUCCESS", 100) for number in range(30)])
            await deliverer.deliver_due()
            bodies = {body.encode() for (body,) in await fetch(bench.store, "SELECT body FROM events")}
            assert set(receiver.bodies) == bodies
            assert len(receiver.bodies) == len(bodies) == 90
            for number in range(30):
                types = [event["type"] for event in receiver.got if event["data"]["id"] == f"job-{number}"]
                assert types == ["batch.created", "batch.started", "batch.completed"]
            assert {state for _, state, _ in await bench.states()} == {"delivered"}
            await deliverer.deliver_due()
            assert len(receiver.got) == 90
            assert [headers["webhook-id"] for headers in receiver.headers] == [event["id"] for event in receiver.got]


async def test_filter_decides_what_is_sent(database):
    """Only events that match every glob become deliveries."""
    async with receiving() as receiver:
        bench = Bench(database)
        match = Match(model="mistral-small-*", metadata={"team": "re*"})
        async with bench.delivering(receiver.url, events=("batch.completed",), match=match) as deliverer:
            await bench.log(
                job("wanted", "SUCCESS", model="mistral-small-latest", metadata={"team": "research"}),
                job("other-model", "SUCCESS", model="codestral", metadata={"team": "research"}),
                job("other-team", "SUCCESS", model="mistral-small-latest", metadata={"team": "search"}),
                job("no-team", "SUCCESS", model="mistral-small-latest"),
                job("not-over", "RUNNING", model="mistral-small-latest", metadata={"team": "research"}),
            )
            await deliverer.deliver_due()
        assert [(event["type"], event["data"]["id"]) for event in receiver.got] == [("batch.completed", "wanted")]


async def test_failing_delivery_is_retried_by_its_schedule_and_then_dead(database):
    """Each wait is as configured; every attempt has the same id and bytes; after the last one the delivery is dead."""
    async with receiving(lambda *_: 500) as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url, retry=(5.0, 60.0, 600.0), events=("batch.completed",)) as deliverer:
            await bench.log(job("a", "SUCCESS", 100))
            moments = []
            while (await bench.states())[0][1] == "pending":
                await deliverer.deliver_due()
                if len(receiver.got) > len(moments):
                    moments.append(bench.now)
                await bench.due_next()
            waits = [(after - before) / 1000 for before, after in pairwise(moments)]
            assert waits == [5.0, 60.0, 600.0]
            assert await bench.states() == [(2, "dead", 4)]
            attempts = await fetch(bench.store, "SELECT number, result, status FROM attempts ORDER BY number")
            assert [tuple(row) for row in attempts] == [(number, "server", 500) for number in (1, 2, 3, 4)]
        assert len(set(receiver.bodies)) == 1
        assert len({headers["webhook-id"] for headers in receiver.headers}) == 1
        assert len({headers["webhook-timestamp"] for headers in receiver.headers}) == 4


async def test_poisoned_event_holds_back_its_job_for_a_while_and_no_other(database):
    """Later events of the job wait until the poisoned one has been retried for `hold`; other jobs never wait."""
    async with receiving(
        lambda _, event: 500 if event["type"] == "batch.created" and event["data"]["id"] == "a" else 200
    ) as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url, retry=(60.0,) * 100, hold=150.0) as deliverer:
            await bench.log(job("a", "QUEUED"), job("b", "QUEUED"))
            await deliverer.deliver_due()
            await bench.log(job("a", "SUCCESS", 100), job("b", "SUCCESS", 100))
            await deliverer.deliver_due()
            first_failed = (await fetch(bench.store, "SELECT min(first_failed_at) FROM deliveries"))[0][0]
            assert ("batch.completed", "b") in _received(receiver)
            assert ("batch.completed", "a") not in _received(receiver)
            while ("batch.completed", "a") not in _received(receiver):
                await bench.due_next()
                await deliverer.deliver_due()
            assert bench.now - first_failed == 150_000


async def test_newer_event_supersedes_pending_progress(database):
    """Progress that is still undelivered when something newer happens is not delivered; it stays visible as superseded."""
    async with receiving() as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url) as deliverer:
            await bench.log(job("a", done=1))
            for done in (2, 3, 4):
                await bench.log(job("a", done=done))
            await bench.log(job("b", done=1))
            await bench.log(job("b", done=2))
            await bench.log(job("b", "SUCCESS", 100))
            await deliverer.deliver_due()
            expected = [(event["data"]["id"], event["type"], event["data"]["completed_requests"]) for event in receiver.got]
            assert ("a", "batch.progress", 4) in expected
            assert ("b", "batch.completed", 100) in expected
            assert [each for each in expected if each[1] == "batch.progress"] == [("a", "batch.progress", 4)]
            assert Counter(state for _, state, _ in await bench.states()) == {"superseded": 3, "delivered": 6}


async def test_receiver_that_keeps_failing_is_probed_and_its_backlog_keeps_its_attempts(database):
    """After failures in a row one delivery at a time goes out, the others lose no attempt; one success lets all through."""
    healthy = False
    async with receiving(lambda *_: 200 if healthy else 503) as receiver:
        bench = Bench(database)
        retry = (5.0,) + (86_400.0,) * 9
        async with bench.delivering(receiver.url, retry=retry, events=("batch.completed",)) as deliverer:
            await bench.log(*[job(f"job-{number:04d}", "SUCCESS", 100) for number in range(500)])
            await deliverer.deliver_due()
            asked = len(receiver.got)
            assert FAILURES_TO_OPEN <= asked <= MAX_CONCURRENCY
            while (before := len(receiver.got)) < asked + 20:
                await bench.due_next()
                await deliverer.deliver_due()
                assert len(receiver.got) <= before + 1
            assert sum(attempts for _, _, attempts in await bench.states()) == len(receiver.got)
            healthy = True
            while (await bench.store.outbox.circuit("pipeline")).is_open:
                await bench.due_next()
                await deliverer.deliver_due()
            assert {state for _, state, _ in await bench.states()} == {"delivered"}
            log = await fetch(bench.store, "SELECT type FROM events WHERE type LIKE 'receiver.%' ORDER BY seq")
            assert [type_ for (type_,) in log] == ["receiver.failing", "receiver.recovered"]


async def test_recovery_brings_back_what_waits_for_long(database):
    """Deliveries that failed during an outage, and would wait for a day, go out as soon as the receiver takes something."""
    healthy = False
    async with receiving(lambda *_: 200 if healthy else 503) as receiver:
        bench = Bench(database)
        retry = (5.0,) + (86_400.0,) * 9
        async with bench.delivering(receiver.url, retry=retry, events=("batch.completed",)) as deliverer:
            await bench.log(*[job(f"job-{number}", "SUCCESS", 100) for number in range(FAILURES_TO_OPEN)])
            await deliverer.deliver_due()
            while min(attempts for _, _, attempts in await bench.states()) < 2:
                await bench.due_next()
                await deliverer.deliver_due()
            healthy = True
            await bench.log(job("new", "SUCCESS", 100))
            await bench.due_next()
            await deliverer.deliver_due()
            assert {state for _, state, _ in await bench.states()} == {"delivered"}
            assert bench.now - BEGAN < 3_600_000


async def test_receiver_that_is_gone_is_disabled(database):
    """410 ends all attempts; the deliveries stay pending, also after a restart."""
    async with receiving(lambda *_: 410) as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url, events=("batch.completed",)) as deliverer:
            await bench.log(job("a", "SUCCESS", 100))
            await deliverer.deliver_due()
        bench.now += 86_400_000
        async with bench.delivering(receiver.url, events=("batch.completed",)) as deliverer:
            await bench.log(job("b", "SUCCESS", 100))
            await deliverer.deliver_due()
            assert len(receiver.got) == 1
            assert [state for _, state, _ in await bench.states()] == ["pending", "pending"]
            assert (await bench.store.outbox.circuit("pipeline")).disabled


@ON_EACH
@pytest.mark.parametrize("restarted", [False, True])
async def test_failing_receiver_is_reported_half_way_to_the_first_dead_delivery(database, restarted):
    """Two attempts fail and the last one is far: half of the time after the first failure the others hear of it, once."""
    answers = [500, 500, 200]
    async with receiving(lambda number, _: answers[number]) as receiver:
        bench = Bench(database)
        settings = {"retry": (10.0, 1000.0), "events": ("batch.completed",)}
        async with bench.delivering(receiver.url, **settings) as deliverer:
            await bench.log(job("a", "SUCCESS", 100))
            await deliverer.deliver_due()
            first = bench.now
            await bench.due_next()
            await deliverer.deliver_due()
            assert await bench.reports() == []
            if not restarted:
                await bench.due_next()
                assert bench.now == first + 505_000
        async with bench.delivering(receiver.url, **settings) as deliverer:
            bench.now = first + 504_999
            await deliverer.deliver_due()
            assert await bench.reports() == []
            await bench.due_next()
            assert bench.now == first + 505_000
            await deliverer.deliver_due()
            await deliverer.deliver_due()
            (report,) = await bench.reports()
            assert report["data"] | {"since": "", "detail": ""} == {
                "receiver": "pipeline", "reason": "server", "detail": "", "since": "", "waiting": 1,
                "dead_at": iso(first + 1_010_000),
            }  # fmt: skip
            assert len(receiver.got) == 2
            await bench.deliver_all(within=600)
            assert [each["type"] for each in await bench.reports()] == ["receiver.failing", "receiver.recovered"]


@pytest.mark.parametrize(("status", "types"), [(200, []), (500, ["receiver.failing"])])
async def test_time_in_which_nothing_was_tried_is_no_failure(database, status, types):
    """After a long stop what is due is tried before the receiver is reported, and it is only if that fails."""
    answers = [500, status]
    async with receiving(lambda number, _: answers[number]) as receiver:
        bench = Bench(database)
        settings = {"retry": (10.0, 1000.0), "events": ("batch.completed",)}
        async with bench.delivering(receiver.url, **settings) as deliverer:
            await bench.log(job("a", "SUCCESS", 100))
            await deliverer.deliver_due()
        bench.now += 900_000
        async with bench.delivering(receiver.url, **settings) as deliverer:
            await deliverer.deliver_due()
            await deliverer.deliver_due()
            assert len(receiver.got) == 2
            assert [each["type"] for each in await bench.reports()] == types


async def test_poisoned_message_is_no_failing_receiver(database):
    """Where other deliveries succeed meanwhile, one that fails up to its end opens no circuit."""
    async with receiving(lambda _, event: 500 if event["data"]["id"] == "poison" else 200) as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url, retry=(10.0, 10.0), events=("batch.completed",)) as deliverer:
            await bench.log(job("poison", "SUCCESS", 100))
            for number in range(12):
                await deliverer.deliver_due()
                await bench.log(job(f"good-{number}", "SUCCESS", 100))
                bench.now += 2_000
            assert await bench.reports() == []
            assert Counter(state for _, state, _ in await bench.states()) == {"dead": 1, "delivered": 11, "pending": 1}


@ON_EACH
async def test_receiver_that_wishes_to_be_disabled_is(database):
    """A 200 with `webhook-delivery: disable` is a delivery and the last one, also after a restart, until it is enabled."""
    answers = [Response(headers={"webhook-delivery": "disable"}), 200]
    async with receiving(lambda number, _: answers[number]) as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url, events=("batch.completed",)) as deliverer:
            await bench.log(job("a", "SUCCESS", 100))
            await deliverer.deliver_due()
            types = [type_ for (type_,) in await fetch(bench.store, "SELECT type FROM events ORDER BY seq DESC LIMIT 1")]
            assert types == ["receiver.failing"]
        async with bench.delivering(receiver.url, events=("batch.completed",)) as deliverer:
            await bench.log(job("b", "SUCCESS", 100))
            await deliverer.deliver_due()
            assert [state for _, state, _ in await bench.states()] == ["delivered", "pending"]
            circuit = await bench.store.outbox.circuit("pipeline")
            assert (circuit.disabled, circuit.detail) == (True, "HTTP 200, webhook-delivery: disable")
            await bench.store.enable_receiver("pipeline", bench.now)
            deliverer.command_changed()
            await deliverer.deliver_due()
            assert [state for _, state, _ in await bench.states()] == ["delivered", "delivered"]


@ON_EACH
async def test_message_that_is_aborted_is_dead_at_once(database):
    """A failure with `webhook-delivery: abort-message` is the last attempt of that message; the next one goes out."""
    answers = [Response(status_code=422, headers={"webhook-delivery": "abort-message"}), 200]
    async with receiving(lambda number, _: answers[number]) as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url, events=("batch.started", "batch.completed")) as deliverer:
            await bench.log(job("a"))
            await bench.log(job("a", "SUCCESS", 100))
            await deliverer.deliver_due()
            assert [state for _, state, _ in await bench.states()] == ["dead", "delivered"]
            details = await fetch(bench.store, "SELECT detail FROM attempts ORDER BY seq")
            assert details[0] == ("HTTP 422, webhook-delivery: abort-message",)


async def test_rate_limit_counts_every_attempt(database):
    """Of four that are due, two go out at once; no retry is sent without a turn, and the loop wakes for the next one."""
    async with receiving(lambda *_: 500) as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url, retry=(5.0, 5.0), events=("batch.completed",), rate_limit=2.0) as deliverer:
            await bench.log(*[job(f"job-{number}", "SUCCESS", 100) for number in range(4)])
            deliverer._rate_limit.pause(0.0)
            await deliverer.deliver_due()
            assert len(receiver.got) == 2
            assert 0 < await deliverer._seconds_until_due(bench.now) <= 0.5
            bench.now += 5_000  # the first two are due again
            deliverer._rate_limit.set_rate(0.001)
            await deliverer.deliver_due()
            assert len(receiver.got) == 2


async def test_idle_receiver_with_a_rate_limit_is_left_in_peace(database):
    """A rate limit lets less begin than a receiver may have at a time: where nothing waits for a turn, the loop sleeps."""
    async with receiving() as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url, rate_limit=2.0) as deliverer:
            await deliverer.deliver_due()
            assert await deliverer._seconds_until_due(bench.now) == MAX_SLEEP
            await bench.log(job("a", "QUEUED"))
            await deliverer.deliver_due()
            assert await deliverer._seconds_until_due(bench.now) == MAX_SLEEP
            await bench.log(*[job(f"job-{number}", "QUEUED") for number in range(3)])
            await deliverer.deliver_due()
            assert 0 < await deliverer._seconds_until_due(bench.now) <= 0.5


async def test_turns_are_no_reason_to_look_for_a_retry(database):
    """A receiver with a rate limit whose only delivery waits for its retry is left in peace until then."""
    async with receiving(lambda *_: 500) as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url, rate_limit=2.0) as deliverer:
            await bench.log(job("a", "QUEUED"))
            await deliverer.deliver_due()
            assert await deliverer._seconds_until_due(bench.now) == 5.0


async def test_patience_that_is_asked_for_is_had(database):
    """A 429 with Retry-After quiets the whole receiver for that long."""
    async with receiving(
        lambda number, _: Response(status_code=429, headers={"retry-after": "120"}) if number == 0 else 200
    ) as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url, events=("batch.completed",)) as deliverer:
            await bench.log(job("a", "SUCCESS", 100))
            await deliverer.deliver_due()
            failed_at = bench.now
            await bench.log(job("b", "SUCCESS", 100))
            await deliverer.deliver_due()
            assert len(receiver.got) == 1
            await bench.due_next()
            await deliverer.deliver_due()
            assert bench.now >= failed_at + 120_000
            assert sorted(event["data"]["id"] for event in receiver.got) == ["a", "a", "b"]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("failures", [1, FAILURES_TO_OPEN + 1], ids=["back-off", "circuit"])
async def test_clock_that_is_set_back_delays_nothing(database, failures, restarted):
    """A clock that was two days ahead while the receiver failed costs no delivery more than its own wait, once it is right."""
    async with receiving(lambda number, _: 200 if number >= failures else 500) as receiver:
        bench = Bench(database)
        bench.now += 2 * 86_400_000
        async with bench.delivering(receiver.url, events=("batch.completed",)) as deliverer:
            await bench.log(*(job(f"job-{number}", "SUCCESS", 100) for number in range(failures)))
            await deliverer.deliver_due()
            while len(receiver.got) < failures:
                await bench.due_next()
                await deliverer.deliver_due()
            bench.now = BEGAN
            if not restarted:
                await bench.deliver_all(within=600.0)
        if restarted:
            async with bench.delivering(receiver.url, events=("batch.completed",)):
                await bench.deliver_all(within=600.0)
        assert len(receiver.got) == 2 * failures


async def test_killed_between_sending_and_settling_sends_the_same_again(database):
    """What was sent and not settled is sent again after a restart: the same id, the same bytes."""
    async with receiving() as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url, events=("batch.completed",)) as deliverer:
            await bench.log(job("a", "SUCCESS", 100))

            async def killed(*_):
                raise Killed

            bench.store.outbox.settle = killed
            with pytest.raises(Killed):
                await deliverer.deliver_due()
        async with bench.delivering(receiver.url, events=("batch.completed",)) as deliverer:
            await deliverer.deliver_due()
            assert [state for _, state, _ in await bench.states()] == ["delivered"]
        assert len(receiver.got) == 2
        assert receiver.bodies[0] == receiver.bodies[1]
        assert receiver.headers[0]["webhook-id"] == receiver.headers[1]["webhook-id"]


async def test_commit_wakes_the_deliverer(database):
    """A deliverer that sleeps sends what is committed without being asked, and ends when it is cancelled."""
    async with receiving() as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url, events=("batch.completed",)) as deliverer, anyio.create_task_group() as group:
            group.start_soon(deliverer.run)
            for number in range(1, 4):
                await bench.log(job(f"job-{number}", "SUCCESS", 100))
                await receiver.wait_for(number)
            group.cancel_scope.cancel()
        assert [event["data"]["id"] for event in receiver.got] == ["job-1", "job-2", "job-3"]


async def test_what_falls_due_while_it_is_looked_for_is_not_slept_over(database, monkeypatch):
    """A delivery whose time comes after what is due was read, and before what is due next is, goes out at once."""
    async with receiving(lambda number, _: 200 if number else 503) as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url) as deliverer, anyio.create_task_group() as group:
            claim = bench.store.outbox.claim

            async def takes_long(*arguments):
                claimed = await claim(*arguments)
                bench.now += 10_000
                return claimed

            monkeypatch.setattr(bench.store.outbox, "claim", takes_long)
            await bench.log(job("a", "SUCCESS", 100))
            group.start_soon(deliverer.run)
            await receiver.wait_for(2)
            group.cancel_scope.cancel()
        assert receiver.bodies[0] == receiver.bodies[1]


async def test_order_per_job_holds_whatever_fails(database):
    """Under random failures every event arrives, and the first arrivals of a job's events are in the log's order."""
    chance = random.Random(5)
    async with receiving(lambda *_: chance.choice((200, 200, 500, 404, 302))) as receiver:
        bench = Bench(database)
        async with bench.delivering(receiver.url, retry=(1.0,) * 60, hold=1e9) as deliverer:
            for status, done in (("QUEUED", 0), ("RUNNING", 0), ("CANCELLATION_REQUESTED", 5), ("CANCELLED", 5)):
                await bench.log(*[job(f"job-{number}", status, done) for number in range(12)])
            await deliverer.deliver_due()
            while any(state == "pending" for _, state, _ in await bench.states()):
                await bench.due_next()
                await deliverer.deliver_due()
            delivered = {}
            for event in receiver.got:
                delivered.setdefault(event["data"]["id"], []).append(event["seq"])
            for seqs in delivered.values():
                assert len(set(seqs)) == 4
                assert seqs == sorted(seqs)


def _received(receiver):
    return [(event["type"], event["data"]["id"]) for event in receiver.got]
