"""From the log to Slack: store, deliverer, notifier and stand-in together, on a clock that is set."""

from contextlib import asynccontextmanager

import pytest
from slack_events import NOW, TOTAL
from slack_standin import TOKEN, slack
from starlette.responses import PlainTextResponse
from storage_engines import open_any_store
from tables import fetch

from tracker.core.deliveries.delivery import DeliveryPolicy
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.job_diff import diff, first_seen
from tracker.core.jobs.job import COUNTERS
from tracker.core.jobs.job_reading import read_job
from tracker.core.ports.store import Checkpoint
from tracker.delivery.deliverer import Deliverer
from tracker.delivery.notifiers.slack.bot import Channel, SlackBot
from tracker.delivery.notifiers.slack.incoming_webhook import SlackWebhook
from tracker.http.client import http_client, tls_context
from tracker.http.rate_limiter import RateLimiter

GROUP_WAIT = 10.0
RECEIVER = "channel"


class Bench:
    """A store whose events go to a stand-in for Slack; `see` is what a sweep does with the jobs that it saw."""

    def __init__(self, path, standin):
        self.path = path
        self.standin = standin
        self.now = NOW
        self.known = {}

    @asynccontextmanager
    async def running(self, kind):
        subscription = Subscription(receiver=RECEIVER, events=("*",), delay=GROUP_WAIT)
        async with http_client(tls_context()) as http, open_any_store(self.path, [subscription]) as self.store:
            await self.store.checkpoint("default", Checkpoint(since=0, horizon=0))
            policy = DeliveryPolicy(retry=(5.0, 60.0), hold=900.0, digest=3)
            notifier = self.webhook(http) if kind == "webhook" else self.bot(http)
            self.deliverer = Deliverer(
                RECEIVER, policy, notifier, self.store.outbox, self.store.wakeups, now=lambda: self.now, jitter=lambda: 0.5
            )
            yield

    def webhook(self, http):
        return SlackWebhook(http, self.standin.hook_url, rate_limiter=RateLimiter(1000), timeout=5.0, now=lambda: self.now)

    def bot(self, http):
        channel = Channel(name="#batches", token=TOKEN, api=self.standin.api)
        return SlackBot(
            http, channel, self.store.job_messages, rate_limiter=RateLimiter(1000), timeout=5.0, now=lambda: self.now
        )

    async def see(self, status, *ids, done=0):
        counters = dict.fromkeys(COUNTERS, done) | {"total_requests": TOTAL, "failed_requests": 0}
        changes = []
        for id_ in ids:
            job = read_job({"id": id_, "status": status, "created_at": NOW // 1000} | counters)
            known = self.known.get(id_)
            changes.append(diff("default", known, job, self.now) if known else first_seen("default", job, self.now))
            self.known[id_] = changes[-1].known
        await self.store.record("default", changes)

    async def deliver(self, after=GROUP_WAIT):
        self.now += round(after * 1000)
        await self.deliverer.deliver_due()

    async def pending(self):
        ((count,),) = await fetch(self.store, "SELECT count(*) FROM deliveries WHERE state = 'pending'")
        return count


@pytest.fixture
async def bench(database):
    async with slack() as standin:
        yield Bench(database, standin)


async def test_fifty_jobs_that_end_together_are_one_message(bench):
    """What gathers within the wait of a group is one digest, and nothing of it is sent before or after."""
    async with bench.running("webhook"):
        await bench.see("SUCCESS", *[f"job-{number}" for number in range(50)], done=TOTAL)
        await bench.deliver(after=GROUP_WAIT - 1)
        assert bench.standin.calls == []
        await bench.deliver(after=1)
        await bench.deliver()
        assert bench.standin.titles() == ["50 batches ended: 50 succeeded"]
        assert await bench.pending() == 0


async def test_digest_takes_one_turn_of_the_rate_limit(bench):
    """Under a limit of one in a long time fifty jobs are one message, and what comes after it waits."""
    async with bench.running("webhook"):
        bench.deliverer._rate_limit.set_rate(0.001)
        await bench.see("SUCCESS", *[f"job-{number}" for number in range(50)], done=TOTAL)
        await bench.deliver()
        await bench.see("SUCCESS", "late", done=TOTAL)
        await bench.deliver()
        assert bench.standin.titles() == ["50 batches ended: 50 succeeded"]
        assert await bench.pending() == 2


async def test_few_events_are_sent_one_by_one(bench):
    """What is no burst is a message for each event, in the log's order."""
    async with bench.running("webhook"):
        await bench.see("QUEUED", "a")
        await bench.see("SUCCESS", "a", done=TOTAL)
        await bench.deliver()
        assert bench.standin.titles() == [
            f"Batch created: {TOTAL} requests",
            f"Batch completed: all {TOTAL} requests succeeded",
        ]


async def test_a_job_has_one_message_over_a_restart(bench):
    """The card outlives the process that posted it: the next one updates it, and the thread goes on."""
    async with bench.running("bot"):
        await bench.see("QUEUED", "a")
        await bench.deliver()
    async with bench.running("bot"):
        await bench.see("RUNNING", "a")
        await bench.see("SUCCESS", "a", done=TOTAL)
        await bench.deliver()
        ((ts, card),) = bench.standin.posted()
        assert card["text"].splitlines()[0] == f"Batch completed: all {TOTAL} requests succeeded"
        assert [text.partition(":")[0] for text in bench.standin.thread_of(ts)] == ["Batch started", "Batch completed"]
        assert await bench.pending() == 0


async def test_a_burst_reaches_the_cards_that_there_are(bench):
    """Jobs that end together have their cards updated, and one message names all."""
    async with bench.running("bot"):
        await bench.see("RUNNING", "a")
        await bench.deliver()
        await bench.see("SUCCESS", "a", *[f"job-{number}" for number in range(9)], done=TOTAL)
        await bench.deliver()
        assert bench.standin.titles() == [
            f"Batch completed: all {TOTAL} requests succeeded",
            "10 batches ended: 10 succeeded",
        ]


async def test_digest_that_failed_is_tried_again_as_a_digest(bench):
    """A burst that Slack did not take stays one message, and counts as one failure of the receiver."""
    async with bench.running("webhook"):
        await bench.see("SUCCESS", *[f"job-{number}" for number in range(20)], done=TOTAL)
        bench.standin.orders = [PlainTextResponse("", 500)]
        await bench.deliver()
        assert (await bench.store.outbox.circuit(RECEIVER)).failures == 1
        await bench.deliver(after=6)
        assert bench.standin.titles() == ["20 batches ended: 20 succeeded"]
        assert await bench.pending() == 0


async def test_digest_leaves_out_what_an_earlier_event_holds_back(bench):
    """While a job's first event is being retried its end is in no digest; it comes after."""
    async with bench.running("webhook"):
        await bench.see("QUEUED", "held")
        bench.standin.orders = [PlainTextResponse("", 500)]
        await bench.deliver()
        bench.now -= round(GROUP_WAIT * 1000)
        await bench.see("SUCCESS", "held", *[f"job-{number}" for number in range(5)], done=TOTAL)
        bench.now += round(GROUP_WAIT * 1000) - 1
        await bench.deliver(after=0.001)
        assert bench.standin.titles() == ["5 batches ended: 5 succeeded"]
        await bench.deliver(after=60)
        assert bench.standin.titles()[1:] == [
            f"Batch created: {TOTAL} requests",
            f"Batch completed: all {TOTAL} requests succeeded",
        ]
