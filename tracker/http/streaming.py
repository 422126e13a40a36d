"""Owns answers whose body is read as a stream, without a total deadline; a body that was cut short is an error.

A body with a known length or in chunks that ends early is an error of the connection. A body that ends with the connection
has no length to compare with.
"""

import math
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Final, Self

import anyio
import httpx
import msgspec

from tracker.http.error_messages import explain
from tracker.http.transport import ReceivedAnswer
from tracker.runtime.heartbeat import Heartbeat

BODY_GRACE: Final = 2.0
"""Seconds for a body that is not needed: enough to read the message of an error, and to use the connection again."""


class Answer(msgspec.Struct, frozen=True):
    """An answer, or as much of it as was read: `truncated` if there was more. Names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False


class StreamCutError(Exception):
    """The body is not complete. The message is the reason, without a URL; `late` if nothing arrived for too long."""

    def __init__(self, detail: str, *, late: bool = False) -> None:
        super().__init__(detail)
        self.late = late


class StreamedAnswer:
    """The head of an answer, and an iterator over its body in parts of about 100 KiB. Names of `headers` are in lower case."""

    def __init__(self, answer: ReceivedAnswer, idle: float, heartbeat: Heartbeat) -> None:
        """At most `idle` seconds may pass between two parts."""
        self.status = answer.status
        self.headers: Mapping[str, str] = answer.headers()
        self._parts = answer.parts
        self._idle = idle
        self._heartbeat = heartbeat

    @property
    def length(self) -> int | None:
        """The announced length of the body in bytes; None if it is unknown."""
        length = self.headers.get("content-length", "")
        return int(length) if length.isdecimal() and "transfer-encoding" not in self.headers else None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next part. Raises `StreamCutError`."""
        with self._heartbeat.waiting(self._idle), anyio.move_on_after(self._idle):
            try:
                return await anext(self._parts)
            except httpx.HTTPError as error:
                raise StreamCutError(explain(error)) from error
        raise StreamCutError(f"no further part of the answer within {self._idle:g} s", late=True)

    async def beginning(self, limit: int) -> Answer:
        """The answer with at most `limit` bytes of its body, as far as they arrive within `BODY_GRACE`."""
        with self._heartbeat.waiting(BODY_GRACE):
            body, truncated = await read_available(self._parts, limit, math.inf)
        return Answer(self.status, self.headers, body, truncated)


async def read_available(parts: AsyncIterator[bytes], limit: int, until: float) -> tuple[bytes, bool]:
    """The body as far as it arrives until `until`, at most `limit` bytes, and whether it is incomplete. Errors end it."""
    body = bytearray()
    with suppress(httpx.HTTPError), anyio.CancelScope(deadline=min(until, anyio.current_time() + BODY_GRACE)):
        async for chunk in parts:
            body += chunk
            if len(body) > limit:
                break
        else:
            return bytes(body), False
    return bytes(body[:limit]), True
