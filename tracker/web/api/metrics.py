"""Owns the route of the metrics: rendered in a thread, one page at a time, however many ask."""

from collections.abc import Callable
from gzip import compress
from typing import Final

import anyio
import anyio.to_thread
from starlette.responses import Response

from tracker.web.endpoints.problem_details import problem

LONGEST_WAIT: Final = 10.0
"""Seconds that a request waits for the page of another to be made; Prometheus gives up then."""

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_FAST: Final = 1  # a third of the usual level's time, for a quarter more bytes


class Exposition:
    """The page as Prometheus is given it. Who asks while it is made waits, and shares the next one with all that wait."""

    def __init__(self, render: Callable[[], bytes]) -> None:
        self._render = render
        self._alone = anyio.Lock()
        self._begun = 0
        self._page = b""

    async def answer(self, accepted: str = "") -> Response:
        """The page, in one of the `accepted` encodings; 503 where the one before it does not come to an end."""
        headers = {"vary": "accept-encoding"}
        page = await self._fresh()
        if page is None:
            return problem(503, "a page is still being made", {"retry-after": "5"})
        if "gzip" in accepted:
            page = await anyio.to_thread.run_sync(compress, page, _FAST)
            headers["content-encoding"] = "gzip"
        return Response(page, media_type=CONTENT_TYPE, headers=headers)

    async def _fresh(self) -> bytes | None:
        """A page of which nothing was read before now."""
        asked = self._begun
        with anyio.move_on_after(LONGEST_WAIT) as waiting:
            await self._alone.acquire()
        if waiting.cancelled_caught:
            return None
        try:
            if self._begun == asked:
                self._begun += 1
                self._page = await anyio.to_thread.run_sync(self._render)
            return self._page
        finally:
            self._alone.release()
