"""Downloads of files, whole or a range of one, and the faults that refuse, slow or cut them."""

from collections.abc import AsyncIterator
from typing import Final

import anyio
import anyio.lowlevel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tracker.simulator.faults.http_error_responses import json_answer, refusal
from tracker.simulator.faults.spoiled_responses import DRIP, disconnected
from tracker.simulator.files.content import Content

PIECE: Final = 1024
"""Bytes that a slow download sends at once, every `DRIP` seconds."""

REFUSED: Final = ("download-403", "download-404", "download-500", "download-503")
_UNANNOUNCED: Final = ("download-cut-chunked", "download-short")
_CUT: Final = ("download-cut", "download-cut-chunked")
_GENERIC: Final = {"cut": "download-cut", "drip": "download-slow"}
"""What the faults of other reads are in a download."""


def download(
    content: Content,
    at: float,
    fault: str | None = None,
    *,
    span: tuple[int, int] | None = None,
    headers: dict[str, str] | None = None,
) -> Response:
    """The response with the content, or with the bytes from the first of `span` up to the second; spoiled by the fault."""
    fault = _GENERIC.get(fault or "", fault)
    if fault in REFUSED:
        return refused_download(fault, at)
    return _Download(content, span or (0, content.size), 206 if span else 200, headers or {}, fault)


def refused_download(fault: str, at: float) -> Response:
    """One of `REFUSED`."""
    if fault == "download-404":
        return file_not_found()
    kind = fault.removeprefix("download-")
    refused = refusal(kind, at)
    if kind == "503":
        refused.headers["retry-after"] = "1"
    return refused


def file_not_found() -> Response:
    return json_answer({"object": "error", "message": "File not found", "type": "not_found", "code": "1500"}, 404)


class _Download(Response):
    def __init__(
        self, content: Content, span: tuple[int, int], status: int, headers: dict[str, str], fault: str | None
    ) -> None:
        super().__init__(None, status, headers, media_type="application/octet-stream")
        start, stop = span
        self._content = content
        self._fault = fault
        self._start, self._stop = start, (start + stop) // 2 if fault in (*_CUT, "download-short") else stop
        if fault in _UNANNOUNCED:
            del self.headers["content-length"]
        else:
            self.headers["content-length"] = str(stop - start)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] != "HEAD":
            async for chunk in self._chunks():
                if scope["extensions"]["transport"].is_closing():
                    await disconnected(receive)  # the server warns of an answer that ends before the connection does
                    return
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if self._fault in _CUT:
            scope["extensions"]["transport"].close()
            await disconnected(receive)
        else:
            await send({"type": "http.response.body", "body": b""})

    async def _chunks(self) -> AsyncIterator[bytes]:
        slow = self._fault == "download-slow"
        for chunk in self._content.chunks(self._start, self._stop):
            await anyio.lowlevel.checkpoint()  # the next chunk takes a millisecond to make
            for at in range(0, len(chunk), PIECE if slow else len(chunk)) if chunk else ():
                yield chunk[at : at + PIECE] if slow else chunk
                if slow:
                    await anyio.sleep(DRIP)
