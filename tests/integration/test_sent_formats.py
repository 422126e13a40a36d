"""Each format as it is really sent over HTTP: read by the SDK of CloudEvents, verified by the libraries of Standard Webhooks.

The attempts of a delivery have the same bytes and the same trace, also over a restart, and each has a parent of its own.
"""

import json
import time
from contextlib import asynccontextmanager

import pytest
import standardwebhooks
from event_validation import validator
from receiving import receiving
from storage_engines import open_any_store

from tracker.config.secrets.secret import Secret
from tracker.core.deliveries.delivery import DeliveryPolicy
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.deliveries.trace_context import job_trace_id
from tracker.core.events.job_diff import first_seen
from tracker.core.jobs.job_reading import read_job
from tracker.core.ports.notifier import sample_all
from tracker.core.ports.store import Checkpoint
from tracker.daemon.factories.network import Network
from tracker.daemon.factories.notifier_factory import open_notifier
from tracker.delivery.deliverer import Deliverer
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver
from tracker.delivery.notifiers.webhook.formats import FORMATS
from tracker.http.client import tls_context

pytestmark = pytest.mark.xdist_group("webhook oracles")  # whose libraries are long to load

CREATED = 1_795_000_000
SECRET = "whsec_Y2FuYXJ5LWNhbmFyeS1jYW5hcnktY2FuYXJ5"
PAGES = "https://ops.example.com/tracker"
JOB = {"id": "job é/1", "status": "QUEUED", "created_at": CREATED, "model": "mistral-small-latest"}
JOB |= dict.fromkeys(("total_requests", "completed_requests", "succeeded_requests", "failed_requests"), 0)


class Clock:
    """Begins now, since the libraries refuse what was signed at another time, and is set from then on."""

    def __init__(self):
        self.now = time.time_ns() // 1_000_000

    def __call__(self):
        return self.now


@asynccontextmanager
async def delivering(path, url, format_, clock, is_sampled=sample_all):
    """A store and the deliverer of a webhook as the daemon makes it of its configuration."""
    receiver = WebhookReceiver(name="pipeline", url=Secret(url), secrets=(Secret(SECRET),), format=format_)
    network = Network(tls_context(), external_url=PAGES, is_sampled=is_sampled)
    async with (
        open_any_store(path, [Subscription(receiver="pipeline", events=("*",))]) as store,
        open_notifier(receiver, network, store.job_messages, now=clock) as notifier,
    ):
        await store.checkpoint("default", Checkpoint(since=0, horizon=0))
        policy = DeliveryPolicy(retry=(5.0, 5.0, 5.0), hold=900.0)
        yield store, Deliverer("pipeline", policy, notifier, store.outbox, store.wakeups, now=clock, jitter=lambda: 0.5)


async def sent_by(path, *formats, is_sampled=sample_all):
    """The bodies and headers of the attempts to deliver one event, in these formats, with a restart before each."""
    clock = Clock()
    async with receiving(lambda number, _: 200 if number == len(formats) - 1 else 500) as receiver:
        for number, format_ in enumerate(formats):
            async with delivering(path, receiver.url, format_, clock, is_sampled) as (store, deliverer):
                if number == 0:
                    await store.record("default", [first_seen("default", read_job(JOB), clock.now)])
                await deliverer.deliver_due()
            clock.now += 6_000
        assert len(receiver.got) == len(formats)
    return list(zip(receiver.bodies, receiver.headers, strict=True))


def verified(body, headers):
    from svix.webhooks import Webhook  # noqa: PLC0415 - long to load, and each worker collects all tests

    Webhook(SECRET).verify(body, headers)
    return standardwebhooks.Webhook(SECRET).verify(body, headers)


@pytest.mark.parametrize("format_", FORMATS)
async def test_every_attempt_is_the_same_over_restarts(tmp_path, format_):
    """Three attempts, restarts between them: one body, one ID, one trace, three parents; each is genuine by both libraries."""
    attempts = await sent_by(tmp_path / "tracker.db", format_, format_, format_)
    bodies, headers = zip(*attempts, strict=True)
    traces = [each["traceparent"].split("-") for each in headers]
    assert len({*bodies}) == len({each["webhook-id"] for each in headers}) == len({trace for _, trace, _, _ in traces}) == 1
    assert len({parent for _, _, parent, _ in traces}) == 3
    assert {flags for *_, flags in traces} == {"01"}
    for attempt in attempts:
        verified(*attempt)


async def test_trace_is_what_opentelemetry_reads(tmp_path):
    """A receiver that uses OpenTelemetry's propagator continues the trace of the job, with the attempt as its parent."""
    from opentelemetry.trace import get_current_span  # noqa: PLC0415 - as above
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415 - as above

    ((_, headers),) = await sent_by(tmp_path / "tracker.db", "event")
    context = get_current_span(TraceContextTextMapPropagator().extract(headers)).get_span_context()
    assert context.is_valid
    assert context.is_remote
    assert context.trace_flags.sampled
    assert context.trace_id.to_bytes(16) == job_trace_id("default", JOB["id"])


async def test_trace_that_is_not_exported_asks_nobody_to_record_it(tmp_path):
    """Where the daemon's sampler leaves a trace out, the flag of its requests says so; the sampler is asked by the delivery."""
    asked = []
    ((_, headers),) = await sent_by(tmp_path / "tracker.db", "event", is_sampled=lambda each: bool(asked.append(each)))
    assert headers["traceparent"].endswith("-00")
    assert [delivery.event_id for delivery in asked] == [headers["webhook-id"]]


async def test_another_format_is_for_all_that_is_pending(tmp_path):
    """Where the format changes while a delivery is retried, the next attempt has the new one, with the old ID and trace."""
    (event, before), (thin, after) = await sent_by(tmp_path / "tracker.db", "event", "thin")
    assert json.loads(event)["data"]["status"] == "QUEUED"
    assert json.loads(thin)["data"] == {"id": JOB["id"]}
    assert before["webhook-id"] == after["webhook-id"] == json.loads(thin)["id"]
    assert before["traceparent"][:36] == after["traceparent"][:36]


@pytest.mark.parametrize("format_", ["cloudevents", "cloudevents-binary"])
async def test_sdk_of_cloudevents_reads_what_was_sent(tmp_path, format_):
    """Its attributes and its data are those of the event, whatever is in the ID of the job."""
    from cloudevents.core.bindings.http import HTTPMessage, from_http_event  # noqa: PLC0415 - as above

    ((body, headers),) = await sent_by(tmp_path / "tracker.db", format_)
    event = from_http_event(HTTPMessage(headers, body))
    data = event.get_data()
    validator("batch.created").validate(data)
    assert data["data"]["id"] == JOB["id"]
    assert (event.get_specversion(), event.get_id(), event.get_type()) == ("1.0", data["id"], "batch.created")
    assert (event.get_source(), event.get_subject()) == ("urn:batch-tracker:account:default", JOB["id"])
    assert event.get_time().timestamp() == data["created_at"]
    assert (event.get_datacontenttype(), event.get_dataschema()) == ("application/json", "urn:batch-tracker:event")
    assert event.get_extension("sequence") == str(data["seq"]).zfill(20)


async def test_thin_event_is_what_openais_library_reads(tmp_path):
    """A consumer of OpenAI's webhooks, whose events are thin too, gets the ID of the job; the link is to its page."""
    import openai  # noqa: PLC0415 - as above

    ((body, headers),) = await sent_by(tmp_path / "tracker.db", "thin")
    event = openai.OpenAI(api_key="unused").webhooks.unwrap(body, headers, secret=SECRET)
    assert (event.type, event.data.id, event.created_at) == ("batch.created", JOB["id"], CREATED)
    assert event.link == f"{PAGES}/jobs/job%20%C3%A9%2F1?account=default"
