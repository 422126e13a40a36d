"""`traceparent` of whatever sends a delivery over HTTP: one for each attempt, also where a bot needs several requests."""

from contextlib import asynccontextmanager

import anyio
import pytest
from receiving import receiving
from starlette.responses import Response

from tracker.config import Secret
from tracker.core.deliveries.delivery import Delivery
from tracker.core.deliveries.fan_out import stream_of
from tracker.core.deliveries.trace_context import traceparent
from tracker.core.events.event import encode_event
from tracker.core.events.sample import sample_event
from tracker.daemon.factories.network import Network
from tracker.daemon.factories.notifier_factory import open_notifier
from tracker.delivery.notifiers.slack.configuration import SlackReceiver
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver
from tracker.http.client import tls_context
from tracker.http.rate_limiter import RateLimiter

WEBHOOK, SLACK = WebhookReceiver(name="r"), SlackReceiver(name="r")


class Cards(dict):
    """The messages of jobs that a bot has posted."""

    async def get(self, receiver, stream):
        return super().get((receiver, stream))

    async def put(self, receiver, stream, card):
        self[receiver, stream] = card


@asynccontextmanager
async def sending_to(url, receiver):
    """What sends to the receiver, at `url`, as the daemon makes it."""
    unlimited = RateLimiter(1000.0)
    given = {"api": url} if receiver.kind == "slack" and receiver.token else {"url": Secret(url)}
    receiver = type(receiver)(**{name: getattr(receiver, name) for name in receiver.__struct_fields__} | given)
    async with open_notifier(receiver, Network(tls_context()), Cards(), unlimited) as notifier:
        yield notifier


def delivery_of(number, job="one", type_="batch.completed"):
    event = sample_event(type_, "default", 1_750_861_214_312 + number, job)
    stream, body = stream_of(event), encode_event(event)
    return Delivery(receiver="r", seq=number, event_id=f"evt_{number}", type=type_, stream=stream, attempts=number, body=body)


@pytest.mark.parametrize("receiver", [WEBHOOK, SLACK], ids=["webhook", "slack"])
async def test_attempts_side_by_side_have_a_trace_each(receiver):
    """Requests that are made at the same time name each the attempt for which it is made."""
    deliveries = [delivery_of(number, f"job-{number}") for number in range(8)]
    async with receiving() as server, sending_to(server.url, receiver) as notifier, anyio.create_task_group() as group:
        for delivery in deliveries:
            group.start_soon(notifier.send, [delivery])
        await server.wait_for(len(deliveries))
    sent = [headers["traceparent"] for headers in server.headers]
    assert sorted(sent) == sorted(map(traceparent, deliveries))


async def test_every_call_of_a_bot_is_in_the_trace():
    """A bot's attempt that updates a card and answers in its thread names one attempt in both calls."""
    bot = SlackReceiver(name="r", token=Secret("xoxb-1"), channel="#c")
    done = Response(b'{"ok": true, "ts": "1.1", "channel": "C1"}', media_type="application/json")
    first, second = delivery_of(1, type_="batch.started"), delivery_of(2)
    async with receiving(lambda *_: done) as server, sending_to(server.url, bot) as notifier:
        for delivery in (first, second):
            assert (await notifier.send([delivery])).delivered
    assert [headers["traceparent"] for headers in server.headers] == [*map(traceparent, (first, second, second))]


async def test_digest_names_the_last_of_its_deliveries():
    """A message about several deliveries has one trace, that of the newest; the next message has its own."""
    many = [delivery_of(number, f"job-{number}") for number in range(5)]
    async with receiving() as server, sending_to(server.url, SLACK) as notifier:
        await notifier.send(many)
        await notifier.send(many[:1])
    assert [headers["traceparent"] for headers in server.headers] == [traceparent(many[-1]), traceparent(many[0])]
