"""A collector on loopback that decodes what is exported, by OpenTelemetry's own classes, and answers as it is set."""

import gzip
from contextlib import asynccontextmanager

import anyio
from starlette.requests import Request
from starlette.responses import Response

from tracker.server.embedded import open_server


class Collector:
    """`answers` decides: a function from the number of the request (from 0) to a status or a Response."""

    def __init__(self, answers=lambda _number: 200):
        self.answers = answers
        self.requests = []
        self.headers = []
        self._arrived = anyio.Event()

    async def __call__(self, scope, receive, send):
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest  # noqa: PLC0415 - rare

        request = Request(scope, receive)
        body = await request.body()
        if request.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        assert request.headers["content-type"] == "application/x-protobuf"
        assert request.url.path == "/v1/traces"
        number = len(self.requests)
        self.requests.append(ExportTraceServiceRequest.FromString(body))
        self.headers.append(dict(request.headers))
        self._arrived.set()
        self._arrived = anyio.Event()
        answer = self.answers(number)
        if not isinstance(answer, int | Response):
            answer = await answer
        await (Response(status_code=answer) if isinstance(answer, int) else answer)(scope, receive, send)

    @property
    def spans(self):
        """Every span that came, as a dict with ids in hex and attributes as values."""
        return [
            as_dict(each)
            for request in self.requests
            for of_resource in request.resource_spans
            for of_scope in of_resource.scope_spans
            for each in of_scope.spans
        ]

    async def wait_until(self, done, seconds=30):
        """Until `done` of the collector is true; asked whenever a request has come."""
        with anyio.fail_after(seconds):
            while not done(self):
                await self._arrived.wait()


def as_dict(span):
    return {
        "trace": span.trace_id.hex(),
        "id": span.span_id.hex(),
        "parent": span.parent_span_id.hex(),
        "name": span.name,
        "kind": span.SpanKind.Name(span.kind),
        "began": span.start_time_unix_nano // 1_000_000,
        "ended": span.end_time_unix_nano // 1_000_000,
        "error": span.status.message if span.status.code == 2 else None,
        **attributes(span),
    }


def attributes(of):
    """The attributes of a span or of a resource."""
    return {each.key: getattr(each.value, each.value.WhichOneof("value")) for each in of.attributes}


@asynccontextmanager
async def collecting(answers=lambda _number: 200):
    collector = Collector(answers)
    async with open_server(collector, "127.0.0.1", 0) as address:
        collector.url = address.url
        yield collector
