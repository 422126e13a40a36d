"""The traces of deliveries: what their spans and their export cost, beside what the deliveries themselves do, in CPU time."""

import math
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
import pytest
from test_delivering import RECEIVERS, opened, record

from tracker.config.telemetry import Telemetry
from tracker.http.client import http_client, tls_context
from tracker.metrics import Metrics
from tracker.runtime.clock import now
from tracker.tracing.exporter import Collector, Exporter
from tracker.tracing.otlp_encoding import RequestEncoder
from tracker.tracing.span_queue import SpanQueue
from tracker.tracing.tracer import Tracer

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

EVENTS = 100


@pytest.mark.parametrize("runs", [5, pytest.param(15, marks=pytest.mark.long)])
async def test_tracing(compare, tmp_path, runs):
    """Two spans for each delivery, encoded and exported. Target: below 3 % of the CPU of the deliveries."""
    comparison = compare(f"{EVENTS * RECEIVERS:,} webhooks: CPU", clock=time.process_time)
    command = [sys.executable, str(Path(__file__).parent / "canned.py"), "100", "0"]
    settlements, exported = [], []
    async with await anyio.open_process(command, stderr=None) as server, AsyncExitStack() as stack:
        try:
            url = (await server.stdout.receive()).decode().strip() + "/hook"
            store, deliverers = await opened(stack, tmp_path / "tracker.db", url)
            metrics = Metrics()
            metrics.configured({}, [each.receiver for each in deliverers])
            for each in deliverers:
                each._on_settled = lambda settlement: (metrics.deliveries.settled(settlement), settlements.append(settlement))
            for run in range(runs):
                await record(store, run, EVENTS)
                with comparison.time("Deliverer, from the outbox"):
                    async with anyio.create_task_group() as group:
                        for each in deliverers:
                            group.start_soon(each.deliver_due)
                with comparison.time("their traces, to a collector"):
                    await _export(url, settlements, exported)
                settlements.clear()
        finally:
            server.kill()
    assert sum(exported) == 2 * EVENTS * RECEIVERS * runs
    assert comparison.ratio("their traces, to a collector", "Deliverer, from the outbox") < 0.045


async def _export(url, settlements, exported):
    queue = SpanQueue(2 * len(settlements), 512, pytest.fail)
    tracer = Tracer(queue)
    telemetry = Telemetry(traces=True, endpoint=url, delay=math.inf)

    async def renewed():
        return False

    exporter = Exporter(
        queue,
        RequestEncoder(telemetry.resource, "1"),
        telemetry,
        Collector(lambda: http_client(TLS), renewed),
        now=now,
        counted=lambda result, spans: exported.append(spans) if result == "exported" else pytest.fail(result),
    )
    async with anyio.create_task_group() as group:
        group.start_soon(exporter.run)
        for settlement in settlements:
            tracer.settled(settlement)
        await exporter.stop()


TLS = tls_context()
