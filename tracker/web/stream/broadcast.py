"""Owns the buffer of the newest events, read once for all subscribers: one query per commit, each event encoded once.

A subscriber is nothing but a position in the log. There are no queues: a slow subscriber falls behind the buffer, and then
reads the log itself.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import anyio
import structlog

from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.reader import Reader
from tracker.core.ports.wakeups import Signal
from tracker.core.queries.filters import EventFilter
from tracker.core.queries.pagination import Span
from tracker.web.stream.server_sent_events import EventMessage, event_message

MOST_SUBSCRIBERS: Final = 256
"""Half of the connections that there may be."""

MOST_BUFFERED: Final = 4 * 1024 * 1024
"""Bytes of the newest events; a subscriber that is further behind reads the log."""

PAUSE_AFTER_STORAGE_ERROR: Final = 1.0
"""Seconds."""

_READ_AT_ONCE: Final = 256
"""Events per query."""

_EVERYTHING: Final = EventFilter()


class Broadcast:
    """The newest events, for the subscribers. `run` reads them as they are committed."""

    def __init__(
        self,
        reader: Callable[[], AbstractAsyncContextManager[Reader]],
        log_grown: Callable[[], Signal],
        most_subscribers: int = MOST_SUBSCRIBERS,
    ) -> None:
        """`reader` lends a reader for exclusive use, `log_grown` gives the signal of the next commit that logs events."""
        self._reader = reader
        self._log_grown = log_grown
        self._buffer: list[EventMessage] = []
        self._buffered_bytes = 0
        self._changed = anyio.Event()
        self.subscribers = 0
        self.most_subscribers = most_subscribers
        self.start = 0  # the buffer has the events with start < seq <= end
        self.end = 0
        self.closed = False

    async def run(self) -> None:
        """Read what is logged until it is cancelled, and wake the subscribers. Wait while the log cannot be read."""
        while True:
            log_grown = self._log_grown()
            try:
                await self.read_once()
            except StorageError as error:
                structlog.get_logger().error("stream.failed", error=str(error))
                await anyio.sleep(PAUSE_AFTER_STORAGE_ERROR)
            else:
                await log_grown.wait()

    async def read_once(self) -> None:
        """Read the events that were logged since the last call; without subscribers, only the end of the log."""
        async with self._reader() as reader:
            if not self.subscribers:
                self._skip_to(await reader.last_seq())
                return
            while events := (await reader.events_page(Span(after=self.end), _EVERYTHING, _READ_AT_ONCE)).events:
                self._append([event_message(seq, body) for seq, body in events])

    def close(self) -> None:
        """End all subscribers."""
        self.closed = True
        self._wake()

    def changed(self) -> anyio.Event:
        """The event that is set when there is more, or the daemon stops; get it before you read."""
        return self._changed

    def after(self, seq: int) -> Sequence[EventMessage]:
        """The messages after `seq`, which must be at least `start`."""
        return self._buffer[max(0, seq - self.start) :]

    def _skip_to(self, seq: int) -> None:
        self._buffer, self._buffered_bytes = [], 0
        self.start = self.end = seq
        self._wake()

    def _append(self, messages: Sequence[EventMessage]) -> None:
        self._buffer += messages
        self._buffered_bytes += sum(len(each.content) for each in messages)
        surplus = 0
        while self._buffered_bytes > MOST_BUFFERED:
            self._buffered_bytes -= len(self._buffer[surplus].content)
            surplus += 1
        del self._buffer[:surplus]
        self.end = messages[-1].seq
        self.start = self.end - len(self._buffer)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()
