"""Owns the newest events, read once for all subscribers: one query for a commit, each event encoded once.

A subscriber has nothing here but a position in the log. There are no queues: a slow subscriber falls behind what is kept,
and then reads the log itself.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, NamedTuple

import anyio
import structlog

from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.reader import Reader
from tracker.core.ports.wakeups import Signal
from tracker.core.queries.filters import EventFacts, EventFilter, read_facts
from tracker.core.queries.pages import Span
from tracker.core.text.escaping import escape_json

MOST_FOLLOWERS: Final = 256
"""Half of the connections that there may be."""

MOST_KEPT: Final = 4 * 1024 * 1024
"""Bytes of the newest events; a subscriber that is further behind reads the log."""

PAUSE_AFTER_STORAGE_ERROR: Final = 1.0
"""Seconds."""

_READ_AT_ONCE: Final = 256

_EVERYTHING: Final = EventFilter()


class Message(NamedTuple):
    """An event as it is sent, and what filters ask of it."""

    seq: int
    facts: EventFacts
    content: bytes


class Broadcast:
    """The newest events, for the subscribers. `run` reads them as they are committed."""

    def __init__(
        self, reader: Callable[[], AbstractAsyncContextManager[Reader]], grown: Callable[[], Signal], most_followers: int = 256
    ) -> None:
        """`reader` lends a reader for exclusive use, `grown` gives the signal of the next commit that logs anything."""
        self._reader = reader
        self._grown = grown
        self._kept: list[Message] = []
        self._bytes = 0
        self._changed = anyio.Event()
        self.followers = 0
        self.most_followers = most_followers
        self.start = 0
        self.end = 0
        self.closed = False

    async def run(self) -> None:
        """Read what is logged until it is cancelled, and wake the subscribers. Wait while the log cannot be read."""
        while True:
            grown = self._grown()
            try:
                await self.read_once()
            except StorageError as error:
                structlog.get_logger().error("stream.failed", error=str(error))
                await anyio.sleep(PAUSE_AFTER_STORAGE_ERROR)
            else:
                await grown.wait()

    async def read_once(self) -> None:
        """Read what was logged since; without subscribers, only the end of the log."""
        async with self._reader() as reader:
            if not self.followers:
                self._begin_at(await reader.last_seq())
                return
            while events := (await reader.events_page(Span(after=self.end), _EVERYTHING, _READ_AT_ONCE)).events:
                self._keep([message(seq, body) for seq, body in events])

    def close(self) -> None:
        """End all subscribers."""
        self.closed = True
        self._wake()

    def changed(self) -> anyio.Event:
        """The event that is set once there is more, or the daemon stops; get it before you read."""
        return self._changed

    def after(self, seq: int) -> Sequence[Message]:
        """The messages after `seq`, where that is not before `start`."""
        return self._kept[max(0, seq - self.start) :]

    def _begin_at(self, seq: int) -> None:
        self._kept, self._bytes = [], 0
        self.start = self.end = seq
        self._wake()

    def _keep(self, messages: Sequence[Message]) -> None:
        self._kept += messages
        self._bytes += sum(len(each.content) for each in messages)
        surplus = 0
        while self._bytes > MOST_KEPT:
            self._bytes -= len(self._kept[surplus].content)
            surplus += 1
        del self._kept[:surplus]
        self.end = messages[-1].seq
        self.start = self.end - len(self._kept)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


def message(seq: int, body: str) -> Message:
    """The event as a server-sent event on one line, also where an earlier version logged it unescaped."""
    facts = read_facts(body)
    return Message(seq, facts, f"id: {seq}\nevent: {facts.type}\ndata: {escape_json(body)}\n\n".encode())
