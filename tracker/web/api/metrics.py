"""Owns the /metrics response: rendered in a thread, one at a time; concurrent scrapes share the next one."""

from collections.abc import Callable
from gzip import compress
from typing import Final

import anyio
import anyio.to_thread
from starlette.responses import Response

from tracker.metrics.text_format import TextFormat, negotiated
from tracker.web.endpoints.problem_details import problem

LONGEST_WAIT: Final = 10.0
"""Seconds that a request waits for an earlier rendering; Prometheus times out then."""

_FAST: Final = 1  # a third of the usual level's time, for a quarter more bytes


class SingleFlightExposition:
    """Renders the exposition once at a time. Requests during a rendering wait, and those of one format share the next one."""

    def __init__(self, render: Callable[[TextFormat], bytes]) -> None:
        self._render = render
        self._lock = anyio.Lock()
        self._latest: dict[str, _Page] = {}  # by media type

    async def answer(self, accepted: str = "", accept: str = "") -> Response:
        """The exposition in one of the `accepted` encodings, in the format of `accept`; 503 if an earlier one does not end."""
        format_ = negotiated(accept)
        headers = {"vary": "accept, accept-encoding"}
        page = await self._fresh_page(format_)
        if page is None:
            return problem(503, "a page is still being made", {"retry-after": "5"})
        if "gzip" in accepted:
            page = await anyio.to_thread.run_sync(compress, page, _FAST)
            headers["content-encoding"] = "gzip"
        return Response(page, media_type=format_.media_type, headers=headers)

    async def _fresh_page(self, format_: TextFormat) -> bytes | None:
        """A rendering that began after this call; None after `LONGEST_WAIT`."""
        before = self._latest.get(format_.media_type)
        with anyio.move_on_after(LONGEST_WAIT) as waiting:
            await self._lock.acquire()
        if waiting.cancelled_caught:
            return None
        try:
            latest = self._latest.get(format_.media_type)
            return latest.text if latest and latest is not before else await self._new_page(format_)
        finally:
            self._lock.release()

    async def _new_page(self, format_: TextFormat) -> bytes:
        page = self._latest[format_.media_type] = _Page()
        try:
            page.text = await anyio.to_thread.run_sync(self._render, format_)
        except BaseException:  # those who wait need another one
            del self._latest[format_.media_type]
            raise
        return page.text


class _Page:
    """A rendering that has begun, and its text once it has ended."""

    text = b""
