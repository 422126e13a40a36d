"""The export of traces, as far as the configuration asks for one: what the store and the workers report to it, and its loop."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, NamedTuple

from tracker import __version__
from tracker.config import Config
from tracker.config.secrets.credentials import Credentials, Learned
from tracker.core.deliveries.delivery import Settlement
from tracker.core.events.event import Event
from tracker.core.ports.notifier import IsSampled, sample_all
from tracker.http.client import http_client, tls_context
from tracker.metrics.process.trace_export import TraceExportMetrics
from tracker.runtime.clock import now


def _ignore(*_: object) -> None:
    pass


async def _do_nothing() -> None:
    pass


class TraceExport(NamedTuple):
    """What is recorded of events and attempts, and which traces are recorded; `run` exports until `stop`."""

    logged: Callable[[Event, bool], None] = _ignore
    settled: Callable[[Settlement], None] = _ignore
    is_sampled: IsSampled = sample_all
    run: Callable[[], Coroutine[Any, Any, None]] = _do_nothing
    stop: Callable[[], Coroutine[Any, Any, None]] = _do_nothing


NO_EXPORT: Final = TraceExport()


def create_trace_export(config: Config, metrics: TraceExportMetrics, learned: Learned) -> TraceExport:
    """The export that the configuration asks for. It connects when it has something to send."""
    telemetry = config.telemetry
    if not telemetry.traces:
        return NO_EXPORT
    from tracker.tracing.exporter import Collector, Exporter  # noqa: PLC0415 - only with the extra
    from tracker.tracing.otlp_encoding import RequestEncoder  # noqa: PLC0415 - likewise
    from tracker.tracing.span_queue import SpanQueue  # noqa: PLC0415 - likewise
    from tracker.tracing.tracer import Tracer  # noqa: PLC0415 - likewise

    queue = SpanQueue(telemetry.queue_size, telemetry.batch_size, partial(metrics.counted, "dropped"))
    tracer = Tracer(queue, telemetry.sampled_share)
    credentials = Credentials({}, telemetry.headers, owner={"telemetry": "traces"}, learned=learned)
    tls = telemetry.tls.context if telemetry.tls else tls_context()
    collector = Collector(
        lambda: http_client(tls, proxies=config.proxies, identity=credentials),
        lambda: credentials.renewed(credentials.generation),
    )
    encoder = RequestEncoder((*telemetry.resource, *_identity(config)), __version__)
    exporter = Exporter(queue, encoder, telemetry, collector, now=now, counted=metrics.counted)
    return TraceExport(tracer.logged, tracer.settled, tracer.is_sampled, exporter.run, exporter.stop)


def _identity(config: Config) -> tuple[tuple[str, str], ...]:
    """The resource attributes that are known of this process, but for those that the configuration gives."""
    known = {"service.version": __version__, "service.instance.id": config.storage.replica}
    given = {name for name, _ in config.telemetry.resource}
    return tuple((name, value) for name, value in known.items() if value and name not in given)
