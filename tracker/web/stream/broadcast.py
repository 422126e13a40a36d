"""Owns the newest of the log, read once for all who follow it: one query for a commit, each event put into bytes once.

Whoever follows has nothing here but a place in the log. There are no queues: one who is slow falls behind what is kept, and
then reads the log itself.
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
"""Bytes of the newest events; who is further behind reads the log."""

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
    """What was logged last, for those who follow. `run` reads it as it comes."""

    def __init__(
        self, reader: Callable[[], AbstractAsyncContextManager[Reader]], grown: Callable[[], Signal], most_followers: int = 256
    ) -> None:
        """`reader` lends one that nobody else uses, `grown` gives what the next commit that logs anything sets."""
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
        """Read for ever what is logged, and wake who follows. A log that cannot be read is waited for."""
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
        """Take up what was logged since; where nobody follows, only how far the log goes."""
        async with self._reader() as reader:
            if not self.followers:
                self._begin_at(await reader.last_seq())
                return
            while events := (await reader.events_page(Span(after=self.end), _EVERYTHING, _READ_AT_ONCE)).events:
                self._keep([message(seq, body) for seq, body in events])

    def close(self) -> None:
        """Let everybody end who follows."""
        self.closed = True
        self._wake()

    def changed(self) -> anyio.Event:
        """What is set once there is more, or all is over; ask for it before you look."""
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
    """The event as a server-sent one, in one line: also of one that an earlier version logged unescaped."""
    facts = read_facts(body)
    return Message(seq, facts, f"id: {seq}\nevent: {facts.type}\ndata: {escape_json(body)}\n\n".encode())
