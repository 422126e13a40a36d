"""Owns the limits of open streams, in total and per client."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from starlette.responses import Response

from tracker.web.endpoints.problem_details import problem
from tracker.web.stream.broadcast import Broadcast

MOST_PER_CLIENT: Final = 64
"""Streams of one client, so that one client cannot use all of them."""


class StreamLimits:
    """Counts the open streams of each client; the broadcast has their total."""

    def __init__(self, broadcast: Broadcast) -> None:
        self._broadcast = broadcast
        self._streams: Counter[str] = Counter()  # by client

    def refusal(self, client: str) -> Response | None:
        """The error response if the client can have no further stream, else None."""
        most = self._broadcast.most_subscribers
        if self._broadcast.subscribers >= most:
            return problem(503, f"there are {most} streams already, which is the limit", {"retry-after": "10"})
        if self._streams[client] >= min(MOST_PER_CLIENT, max(1, most // 4)):
            return problem(
                429, f"this client has {self._streams[client]} streams already, which is its limit", {"retry-after": "10"}
            )
        return None

    @contextmanager
    def counted(self, client: str) -> Iterator[None]:
        """Count one stream of the client while the context lasts."""
        self._broadcast.subscribers += 1
        self._streams[client] += 1
        try:
            yield
        finally:
            self._broadcast.subscribers -= 1
            self._streams[client] -= 1
            self._streams += Counter()  # a client without streams is forgotten
