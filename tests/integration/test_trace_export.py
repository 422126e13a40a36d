"""The export of traces to a collector on loopback that decodes them; a collector that fails costs spans, and nothing more."""

import math
from contextlib import asynccontextmanager

import anyio
import pytest
from otlp_collector import attributes, collecting
from starlette.responses import Response
from structlog.testing import capture_logs
from waiting import until

from tracker import __version__
from tracker.config import Account, Config, Http, Secret, Storage
from tracker.config.secrets.secret import Header
from tracker.config.telemetry import Telemetry, traces_path
from tracker.core.events.sample import sample_event
from tracker.daemon.trace_export import NO_EXPORT, create_trace_export
from tracker.http.client import http_client, tls_context
from tracker.metrics.process.trace_export import TraceExportMetrics
from tracker.runtime.clock import now
from tracker.tracing import exporter as exporting
from tracker.tracing.exporter import Collector, Exporter
from tracker.tracing.otlp_encoding import RequestEncoder, SpanKind, describe, span
from tracker.tracing.span_queue import SpanQueue

NOT_BACKFILLED = (False,)
SPAN = span((b"t" * 16, b"s" * 8, b""), (1, 2), describe("name", SpanKind.CLIENT, ()))


class Counted(dict):
    """What became of how many spans."""

    def __call__(self, result, spans):
        self[result] = self.get(result, 0) + spans


@asynccontextmanager
async def exporting_to(url, *, queue=100, batch=10, renewed=lambda: False, **settings):
    """A running exporter, its queue, and what it counted. It waits for a batch for as long as it takes."""

    async def is_renewed():
        return renewed()

    counted = Counted()
    spans = SpanQueue(queue, batch, lambda dropped: counted("dropped", dropped))
    settings = {"endpoint": traces_path(url), "delay": math.inf, "timeout": 5.0} | settings
    collector = Collector(lambda: http_client(tls_context()), is_renewed)
    encoder = RequestEncoder((("service.name", "x"),), "1")
    exporter = Exporter(spans, encoder, Telemetry(traces=True, **settings), collector, now=now, counted=counted)
    async with anyio.create_task_group() as group:
        group.start_soon(exporter.run)
        yield exporter, spans, counted
        group.cancel_scope.cancel()


@pytest.fixture
def impatient(monkeypatch):
    """Retries come at once."""
    monkeypatch.setattr(exporting, "backoff", lambda *_: 0.01)


@pytest.mark.parametrize("compress", [False, True])
async def test_full_batch_is_sent_at_once(compress):
    """As soon as a request's worth waits it is sent, compressed if that is configured; the rest waits for its time."""
    async with collecting() as collector, exporting_to(collector.url, compress=compress) as (_, queue, counted):
        queue.add([SPAN] * 9)
        queue.add([SPAN] * 12)
        await until(lambda: counted.get("exported") == 20)
        assert [len(request.resource_spans[0].scope_spans[0].spans) for request in collector.requests] == [10, 10]
        assert [each.get("content-encoding") for each in collector.headers] == ["gzip" if compress else None] * 2
        assert len(queue) == 1


async def test_few_spans_are_sent_after_the_delay():
    """One span alone comes after `delay`, without another one."""
    async with collecting() as collector, exporting_to(collector.url, delay=0.01) as (_, queue, counted):
        queue.add([SPAN])
        await collector.wait_until(lambda each: len(each.spans) == 1)
        await until(lambda: counted == {"exported": 1})


@pytest.mark.parametrize("status", [429, 502, 503, 504])
@pytest.mark.usefixtures("impatient")
async def test_collector_that_is_overloaded_gets_the_same_again(status):
    """What may succeed later is sent again until it does, and the log has one line for the failure and one for its end."""
    with capture_logs() as lines:
        async with collecting(lambda number: status if number < 3 else 200) as collector:
            async with exporting_to(collector.url) as (_, queue, counted):
                queue.add([SPAN] * 10)
                await until(lambda: counted == {"exported": 10})
            assert len({request.SerializeToString() for request in collector.requests}) == 1
            assert len(collector.requests) == 4
    lines = [(line["event"], line.get("error")) for line in lines]
    assert lines == [("traces.export_failed", f"HTTP {status}"), ("traces.export_recovered", None)]


@pytest.mark.parametrize("status", [400, 401, 404, 500, 302])
async def test_what_cannot_succeed_is_dropped(status):
    """A request that the collector refuses for good is not sent again; the next one is."""
    async with (
        collecting(lambda number: 200 if number else status) as collector,
        exporting_to(collector.url) as (_, queue, counted),
    ):
        queue.add([SPAN] * 10)
        await until(lambda: counted == {"dropped": 10})
        queue.add([SPAN] * 10)
        await until(lambda: counted == {"dropped": 10, "exported": 10})


async def test_key_that_was_rotated_is_read_again():
    """A collector that refuses the key gets the spans with the new one, if there is one."""
    given = []
    async with (
        collecting(lambda number: 200 if number else 401) as collector,
        exporting_to(collector.url, renewed=lambda: given.append(1) or True) as (_, queue, counted),
    ):
        queue.add([SPAN] * 10)
        await until(lambda: counted == {"exported": 10})
    assert given == [1]


async def test_collector_may_reject_some_spans():
    """A partial success is counted and logged; it is not sent again."""
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse  # noqa: PLC0415 - rare

    partial = ExportTraceServiceResponse(partial_success={"rejected_spans": 3, "error_message": "canary"})
    answers = [Response(partial.SerializeToString()), Response(b"\xff no protobuf")]
    with capture_logs() as lines:
        async with collecting(answers.__getitem__) as collector, exporting_to(collector.url) as (_, queue, counted):
            queue.add([SPAN] * 10)
            await until(lambda: counted == {"exported": 7, "rejected": 3})
            queue.add([SPAN] * 10)
            await until(lambda: counted == {"exported": 17, "rejected": 3})
    assert [(line["event"], line["spans"]) for line in lines] == [("traces.rejected", 3)]


@pytest.mark.usefixtures("impatient")
async def test_collector_that_is_gone_costs_spans_alone(monkeypatch):
    """While nothing listens the queue fills to its bound; what is older than the limit is dropped, and nothing waits."""
    monkeypatch.setattr(exporting, "RETRY_FOR", 0.05)
    async with exporting_to("http://127.0.0.1:1", queue=20) as (_, queue, counted):
        for _ in range(100):
            queue.add([SPAN])
            assert len(queue) <= 20
        assert counted["dropped"] >= 70
        await until(lambda: counted["dropped"] == 100 and not len(queue))


@pytest.mark.parametrize("collector_hangs", [False, True])
async def test_stop_exports_what_waits_if_that_takes_no_time(monkeypatch, collector_hangs):
    """At the end the last spans are sent; a collector that hangs is not waited for longer than the limit."""
    monkeypatch.setattr(exporting, "LAST_EXPORT_WITHIN", 0.2 if collector_hangs else 30)

    async def hang():
        await anyio.sleep_forever()

    answers = (lambda _: hang()) if collector_hangs else lambda _: 200
    async with collecting(answers) as collector, exporting_to(collector.url) as (exporter, queue, counted):
        queue.add([SPAN] * 3)
        with anyio.fail_after(20):
            await exporter.stop()
        assert counted == ({} if collector_hangs else {"exported": 3})
        await collector.wait_until(lambda each: len(each.spans) == 3)


async def test_stop_ends_a_wait_for_another_attempt():
    """An exporter that waits before it tries again tries once more when it is stopped, and ends."""
    async with (
        collecting(lambda _: Response(status_code=503, headers={"retry-after": "30"})) as collector,
        exporting_to(collector.url) as (exporter, queue, counted),
    ):
        queue.add([SPAN] * 10)
        await collector.wait_until(lambda each: len(each.requests) == 1)
        with anyio.fail_after(20):
            await exporter.stop()
        assert counted == {"dropped": 10}


async def test_export_is_as_it_is_configured(tmp_path):
    """Headers, with secret ones, and the attributes of who exports reach the collector, as the daemon makes the export."""
    headers = (Header("authorization", Secret("Bearer canary"), secret=True),)
    async with collecting() as collector:
        telemetry = Telemetry(
            traces=True, endpoint=traces_path(collector.url), headers=headers, delay=0.01, resource=(("service.name", "ours"),)
        )
        config = Config(
            source=None,
            storage=Storage(tmp_path / "tracker.db", replica="one"),
            http=Http(),
            accounts=(Account(name="default", api_key=Secret("key")),),
            telemetry=telemetry,
        )
        metrics = TraceExportMetrics()
        export = create_trace_export(config, metrics, lambda _: None)
        async with anyio.create_task_group() as group:
            group.start_soon(export.run)
            export.logged(ended_job(), *NOT_BACKFILLED)
            await collector.wait_until(lambda each: len(each.spans) == 3)
            await export.stop()
    assert {each["authorization"] for each in collector.headers} == {"Bearer canary"}
    resource = attributes(collector.requests[0].resource_spans[0].resource)
    assert resource == {"service.name": "ours", "service.version": __version__, "service.instance.id": "one"}


def ended_job():
    return sample_event("batch.completed", "default", now(), "abc")


def test_there_is_no_export_of_traces_that_are_off(tmp_path):
    """Without `traces` there is no queue and no loop, and what is sent leaves it to the receiver to record."""
    config = Config(
        source=None, storage=Storage(tmp_path / "tracker.db"), http=Http(), accounts=(Account(name="a", api_key=Secret("k")),)
    )
    assert create_trace_export(config, TraceExportMetrics(), lambda _: None) is NO_EXPORT
    assert NO_EXPORT.is_sampled(None)


async def test_a_wait_for_a_batch_can_be_ended():
    """The exporter goes on at `wake`, be there a batch or not."""
    spans = SpanQueue(10, 5, pytest.fail)
    with pytest.raises(TimeoutError), anyio.fail_after(0):
        await spans.wait_filled()
    spans.wake()
    with anyio.fail_after(60):
        await spans.wait_filled()
    assert len(spans) == 0
