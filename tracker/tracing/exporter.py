"""Owns the export: spans are sent by OTLP over HTTP, batch by batch, and sent again where that may succeed.

Nothing else waits for it. A collector that is slow, refuses or is gone costs spans, which are counted, and nothing more.
"""

import gzip
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Literal, NamedTuple

import anyio
import anyio.to_thread
import structlog
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tracker.config.telemetry import Telemetry
from tracker.core.deliveries.retry_schedule import backoff, requested_wait
from tracker.http.client import Answer, HttpClient, NoAnswer, Request
from tracker.tracing.otlp_encoding import RequestEncoder
from tracker.tracing.span_queue import SpanQueue

RETRY_FOR: Final = 60.0
"""Seconds after which spans that could not be sent are given up."""

LAST_EXPORT_WITHIN: Final = 1.0
"""Seconds that the export of what still waits may take at the end of the process."""

_RETRYABLE: Final = (429, 502, 503, 504)
"""By the specification of OTLP; all other errors are final."""

_REFUSED: Final = (401, 403)
"""Possible answers to an old key."""

_BODY_LIMIT: Final = 64 * 1024

Result = Literal["exported", "dropped", "rejected"]


class Collector(NamedTuple):
    """How the collector is reached. `renewed` reads headers that it refuses again, and says whether they have changed."""

    open_http: Callable[[], AbstractAsyncContextManager[HttpClient]]
    renewed: Callable[[], Awaitable[bool]]


class Exporter:
    """Exports what is in `queue` until it is stopped."""

    def __init__(
        self,
        queue: SpanQueue,
        encoder: RequestEncoder,
        telemetry: Telemetry,
        collector: Collector,
        *,
        now: Callable[[], int],
        counted: Callable[[Result, int], None],
    ) -> None:
        """`now` gives Unix milliseconds; `counted` is called with what became of how many spans."""
        self._queue = queue
        self._encoder = encoder
        self._telemetry = telemetry
        self._collector = collector
        self._now = now
        self._counted = counted
        self._stopping = anyio.Event()
        self._stopped = anyio.Event()
        self._log = structlog.get_logger().bind(endpoint=telemetry.endpoint)
        self._failing = False

    async def run(self) -> None:
        """Export until stopped, and then what still waits, if the collector takes it at once."""
        try:
            async with self._collector.open_http() as http:
                is_last = False
                while not is_last:
                    is_due = await self._wait()
                    is_last = self._stopping.is_set()
                    while self._queue.has_batch() or (len(self._queue) and (is_due or is_last)):
                        await self._export(http, self._queue.take())
        finally:
            self._stopped.set()

    async def _wait(self) -> bool:
        """Wait until a request's worth waits, or until whatever waits is due, which is returned; or until `stop`."""
        if not self._stopping.is_set():
            with anyio.move_on_after(self._telemetry.delay) as waited:
                await self._queue.wait_filled()
            return waited.cancelled_caught
        return True

    async def stop(self) -> None:
        """Export what still waits, if that does not take long."""
        self._stopping.set()
        self._queue.wake()
        with anyio.move_on_after(LAST_EXPORT_WITHIN):
            await self._stopped.wait()

    async def _export(self, http: HttpClient, spans: Sequence[bytes]) -> None:
        request = await self._request(spans)
        until = anyio.current_time() + RETRY_FOR
        failures = 0
        while (wait := self._outcome(await self._send(http, request), len(spans), failures)) is not None:
            failures += 1
            if self._stopping.is_set() or anyio.current_time() + wait > until:
                self._counted("dropped", len(spans))
                return
            with anyio.move_on_after(wait):
                await self._stopping.wait()

    async def _send(self, http: HttpClient, request: Request) -> Answer | NoAnswer:
        answer = await http.send(request)
        if isinstance(answer, Answer) and answer.status in _REFUSED and await self._collector.renewed():
            return await http.send(request)
        return answer

    async def _request(self, spans: Sequence[bytes]) -> Request:
        content = self._encoder.request(spans)
        headers = {"content-type": "application/x-protobuf"}
        if self._telemetry.compress:
            content = await anyio.to_thread.run_sync(gzip.compress, content, 1)
            headers["content-encoding"] = "gzip"
        return Request(
            method="POST",
            url=self._telemetry.endpoint,
            headers=headers,
            content=content,
            deadline=self._telemetry.timeout,
            body_limit=_BODY_LIMIT,
        )

    def _outcome(self, answer: Answer | NoAnswer, spans: int, failures: int) -> float | None:
        """Seconds until the request is sent again; None if it is finished, which is counted."""
        if isinstance(answer, Answer) and 200 <= answer.status < 300:
            self._accepted(answer, spans)
            return None
        detail = answer.detail if isinstance(answer, NoAnswer) else f"HTTP {answer.status}"
        if not self._failing:
            self._failing = True
            self._log.warning("traces.export_failed", error=detail)
        if isinstance(answer, Answer) and answer.status not in _RETRYABLE:
            self._counted("dropped", spans)
            return None
        asked = requested_wait(answer.headers, self._now()) if isinstance(answer, Answer) else None
        return max(backoff(1.0, failures + 1, 30.0, random.random()), asked or 0.0)  # noqa: S311 - no secret

    def _accepted(self, answer: Answer, spans: int) -> None:
        if self._failing:
            self._failing = False
            self._log.info("traces.export_recovered")
        rejected = min(_rejected(answer.body), spans)
        self._counted("exported", spans - rejected)
        if rejected:
            self._counted("rejected", rejected)
            self._log.warning("traces.rejected", spans=rejected)


def _rejected(body: bytes) -> int:
    """How many spans the collector says that it has not taken; an answer that cannot be read says nothing."""
    try:
        return max(int(ExportTraceServiceResponse.FromString(body).partial_success.rejected_spans), 0)
    except DecodeError:
        return 0
