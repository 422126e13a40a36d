"""Owns the bytes of a span and of an export request (OTLP 1.x, protobuf).

OpenTelemetry's classes encode whatever repeats and can be cached: who exports, and the names and attributes of spans. What
differs in each span, its ids and times, has a fixed size and is put before that: protobuf allows the fields of a message in any
order. The SDK of OpenTelemetry takes ten times as long for a span.
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from struct import Struct
from typing import Final

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

Attributes = tuple[tuple[str, str | int], ...]


LATEST: Final = 2**63 // 1_000_000
"""Unix milliseconds; a later time counts as this."""


class SpanKind(IntEnum):
    """What a span is on which side of."""

    INTERNAL = 1
    CLIENT = 3
    PRODUCER = 4


SpanIds = tuple[bytes, bytes, bytes]
"""The 16 bytes of the trace, the 8 of the span, and those of its parent; a span without a parent has none."""


_HEAD: Final = Struct("<2s16s2s8sBQBQ")
_TRACE_ID, _SPAN_ID, _PARENT_ID = b"\x0a\x10", b"\x12\x08", b"\x22\x08"  # field number, type, and length
_START, _END = 0x39, 0x41  # fixed64
_SPANS: Final = b"\x12"  # of ScopeSpans
_SCOPE_SPANS: Final = b"\x12"  # of ResourceSpans
_RESOURCE_SPANS: Final = b"\x0a"  # of ExportTraceServiceRequest


def span(ids: SpanIds, times: tuple[int, int], description: bytes, attributes: bytes = b"") -> bytes:
    """A span as an entry of `request`, from begin to end (Unix milliseconds), of `describe` and `encode_attributes`."""
    trace, own, parent = ids
    began, ended = times
    head = _HEAD.pack(_TRACE_ID, trace, _SPAN_ID, own, _START, _nanoseconds(began), _END, _nanoseconds(max(began, ended)))
    above = _PARENT_ID + parent if parent else b""
    size = len(head) + len(above) + len(description) + len(attributes)
    return b"".join((_SPANS, _varint(size), head, above, description, attributes))


def _nanoseconds(milliseconds: int) -> int:
    """What the vendor gives as a time may be any number."""
    return milliseconds * 1_000_000 if 0 <= milliseconds <= LATEST else min(max(milliseconds, 0), LATEST) * 1_000_000


def describe(name: str, kind: SpanKind, attributes: Attributes, error: str = "") -> bytes:
    """What a span is; with an `error`, that it failed."""
    status = Status(code=Status.STATUS_CODE_ERROR, message=error) if error else None
    named = Span(name=name, kind=Span.SpanKind.Name(kind), attributes=_key_values(attributes), status=status)
    return bytes(named.SerializeToString())


def encode_attributes(attributes: Attributes) -> bytes:
    """Attributes of a span beside those of its description."""
    return bytes(Span(attributes=_key_values(attributes)).SerializeToString())


class RequestEncoder:
    """Makes the requests of an exporter with these `resource` attributes."""

    def __init__(self, resource: Attributes, version: str) -> None:
        scope = InstrumentationScope(name="batch-tracker", version=version)
        self._scope = ScopeSpans(scope=scope).SerializeToString()
        self._resource = ResourceSpans(resource=Resource(attributes=_key_values(resource))).SerializeToString()

    def request(self, spans: Sequence[bytes]) -> bytes:
        """The request that exports these spans."""
        of_scope = b"".join((self._scope, *spans))
        of_resource = b"".join((self._resource, _SCOPE_SPANS, _varint(len(of_scope)), of_scope))
        return b"".join((_RESOURCE_SPANS, _varint(len(of_resource)), of_resource))


def _key_values(attributes: Attributes) -> Iterable[KeyValue]:
    for key, value in attributes:
        typed = AnyValue(string_value=value) if isinstance(value, str) else AnyValue(int_value=value)
        yield KeyValue(key=key, value=typed)


def _varint(number: int) -> bytes:
    """A length as protobuf writes it: seven bits a byte, the lowest first."""
    if number < 0x80:
        return bytes((number,))
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
