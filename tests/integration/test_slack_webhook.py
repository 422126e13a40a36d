"""An incoming webhook over real HTTP: what is posted, and what becomes of what Slack refuses."""

import json
from pathlib import Path

import anyio
import msgspec
import pytest
from loopback import answer, drips, loopback, resets, sends, unreachable_url
from slack_events import NOW, delivery
from slack_standin import CHANNELS, SECRET, TOKEN, slack, slow_down

from tracker.config import Config, Http, Secret, Storage
from tracker.core.deliveries.delivery import Result
from tracker.daemon.factories.network import Network
from tracker.daemon.factories.notifier_factory import open_notifier
from tracker.daemon.workers.specs import receiver_spec
from tracker.delivery.notifiers.slack.block_limits_and_escaping import escaped
from tracker.delivery.notifiers.slack.configuration import SlackReceiver
from tracker.delivery.notifiers.slack.digest import digest
from tracker.delivery.notifiers.slack.incoming_webhook import SlackWebhook
from tracker.delivery.notifiers.slack.message_content import message
from tracker.delivery.notifiers.templates.message_template import MessageTemplate
from tracker.delivery.notifiers.templates.wording import Wording
from tracker.http.client import http_client
from tracker.http.rate_limiter import RateLimiter

CLOCK = 1e-3
"""Seconds that the loop's clock may round away."""


@pytest.fixture
async def webhook(tls):
    """A webhook of a URL: `webhook(url)`."""
    async with http_client(tls) as http:
        yield lambda url, rate_limiter=1000, timeout=5.0: SlackWebhook(
            http, url, rate_limiter=RateLimiter(rate_limiter), timeout=timeout, now=lambda: NOW
        )


async def test_an_event_is_a_message(webhook):
    """The event of a delivery is posted as its message, once, and Slack takes it."""
    completed = delivery(4, "batch.completed", done=90)
    async with slack() as standin:
        outcome = await webhook(standin.hook_url).send([completed])
        assert outcome.delivered
        assert standin.calls == [("hook", message(json.loads(completed.body)))]
        assert standin.titles() == ["Batch completed: 90 of 100 requests succeeded, 10 without a result (small)"]


async def test_template_takes_the_place_of_the_blocks(tls):
    """Its own mention and formatting are Slack's, a job's are text; the link stays below. A burst has the standard message."""
    template = MessageTemplate("<!here> *{{ job.model }}* {{ event.account }}", escaped)
    hostile = delivery(4, "batch.completed", done=90)
    hostile = msgspec.structs.replace(hostile, body=hostile.body.replace('"small"', '"<!channel> & co"'))
    burst = [delivery(number, "batch.completed", f"job-{number}", 100) for number in range(5)]
    async with http_client(tls) as http, slack() as standin:
        wording = Wording("team", template, "https://ops.example.com")
        notifier = SlackWebhook(
            http, standin.hook_url, rate_limiter=RateLimiter(1000), timeout=5.0, now=lambda: NOW, wording=wording
        )
        assert (await notifier.send([hostile])).delivered
        assert (await notifier.send(burst)).delivered
        (_, sent), (_, digested) = standin.posted()
    text = "<!here> *&lt;!channel&gt; &amp; co* default"
    body, foot = sent["blocks"]
    assert body == {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
    assert foot["elements"][0]["text"].endswith("|Open in batch-tracker>")
    assert sent["text"] == f"{text}\nhttps://ops.example.com/jobs/job-1?account=default"
    assert digested["text"].startswith("5 batches ended: 5 succeeded\n")


async def test_a_burst_is_one_digest(webhook):
    """Fifty deliveries at once are one message that counts them."""
    burst = [delivery(number, "batch.completed", f"job-{number}", 100) for number in range(50)]
    async with slack() as standin:
        assert (await webhook(standin.hook_url).send(burst)).delivered
        assert standin.calls == [("hook", digest([json.loads(each.body) for each in burst]))]
        assert standin.titles() == ["50 batches ended: 50 succeeded"]


@pytest.mark.parametrize(
    ("said", "result", "retry_after"),
    [
        (answer(b"ok"), Result.DELIVERED, None),
        (answer(b"invalid_payload", 400), Result.REFUSED, None),
        (answer(b"action_prohibited", 403), Result.REFUSED, None),
        (answer(b"no_service", 404), Result.REFUSED, None),
        (answer(b"channel_is_archived", 410), Result.GONE, None),
        (answer(b"rate_limited", 429, "retry-after: 0.1"), Result.RATE_LIMITED, 0.1),
        (answer(b"", 302, "location: http://127.0.0.1:1/"), Result.REDIRECTED, None),
        (answer(b"rollup_error", 500), Result.SERVER, None),
        (answer(b"", 503, "retry-after: 7"), Result.SERVER, 7.0),
    ],
)
async def test_what_slack_says_is_classified(webhook, said, result, retry_after):
    """Each way to refuse has its result, what Slack said is kept, and so is the patience that it asked for."""
    async with loopback(sends(said)) as server:
        outcome = await webhook(server.url + SECRET).send([delivery(1, "batch.created")])
    assert (outcome.result, outcome.retry_after) == (result, retry_after)
    assert outcome.answer == ("" if result is Result.DELIVERED else said.partition(b"\r\n\r\n")[2].decode())


@pytest.mark.parametrize("scene", [resets(), drips(answer(b"ok"), 0.05)], ids=["reset", "too slow"])
async def test_no_answer_is_the_networks(webhook, scene):
    """An answer that does not come, or not in time, is no success; the secret URL is not named."""
    async with loopback(scene) as server:
        outcome = await webhook(server.url + SECRET, timeout=0.3).send([delivery(1, "batch.created")])
    assert outcome.result is Result.NETWORK
    assert SECRET not in str(outcome)


async def test_nothing_listens(webhook):
    """A refused connection is the network's, and the secret URL is not named."""
    with unreachable_url() as url:
        outcome = await webhook(url + SECRET).send([delivery(1, "batch.created")])
    assert outcome.result is Result.NETWORK
    assert SECRET not in str(outcome)


@pytest.mark.parametrize(("asked", "status", "wait"), [("0.4", 429, 0.4), (None, 429, 1.0), ("0.4", 503, 0.4)])
async def test_what_slack_asks_for_holds_the_next_message_back(webhook, asked, status, wait):
    """The next message waits as long as Slack asked for, or a second after a 429 that does not say how long."""
    async with slack() as standin:
        hook = webhook(standin.hook_url)
        standin.orders = [slow_down(asked, status)]
        began = anyio.current_time()
        assert (await hook.send([delivery(1, "batch.created")])).status == status
        until = hook._rate_limiter._paused_until
        assert began + wait <= until <= anyio.current_time() + wait
        assert (await hook.send([delivery(1, "batch.created")])).delivered
        assert anyio.current_time() >= until - CLOCK
        assert len(standin.posted()) == 1


async def test_one_message_a_second(webhook):
    """Messages that come together go out at the pace of the channel."""
    async with slack() as standin:
        hook = webhook(standin.hook_url, rate_limiter=1.0)
        began = anyio.current_time()
        async with anyio.create_task_group() as group:
            for number in range(2):
                group.start_soon(hook.send, [delivery(number, "batch.created", f"job-{number}")])
        assert anyio.current_time() - began >= 1.0 - CLOCK
        assert len(standin.posted()) == 2


class NoJobMessages:
    """A bot's memory that is empty."""

    async def get(self, _receiver, _stream):
        return None

    async def put(self, _receiver, _stream, _card):
        pass


@pytest.mark.parametrize("kind", ["incoming webhook", "bot"])
async def test_messages_link_to_the_page_of_their_job(tls, kind):
    """With `http.external_url` in the configuration Slack takes a message that ends with the link to the job's page."""
    async with slack() as standin:
        where = {"url": Secret(standin.hook_url)}
        if kind == "bot":
            where = {"token": Secret(TOKEN), "channel": next(iter(CHANNELS)), "api": standin.api}
        receiver = SlackReceiver(name="team", **where)
        http = Http(external_url="https://ops.example.com/tracker", base_path="/tracker")
        spec = receiver_spec(
            Config(source=None, storage=Storage(Path("none")), http=http, accounts=(), receivers=(receiver,)), receiver
        )
        async with open_notifier(receiver, Network(tls, external_url=spec.external_url), NoJobMessages()) as notifier:
            assert (await notifier.send([delivery(4, "batch.completed", "job-1", done=90)])).delivered
        ((_, payload),) = standin.posted()
    (link,) = payload["blocks"][-1]["elements"]
    assert link["text"].startswith("<https://ops.example.com/tracker/jobs/job-1?account=")
