"""Owns following the log from a place in it: from memory while one keeps up, from the log itself while one is behind."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import anyio

from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter
from tracker.core.queries.pages import Span
from tracker.web.stream.broadcast import Broadcast, Message, message

HEARTBEAT: Final = 15.0
"""Seconds without an event after which something is said all the same."""

LARGEST_PIECE: Final = 64 * 1024
"""Bytes that are sent at once; one event may be more."""

_READ_AT_ONCE: Final = 256


class Following:
    """One who follows: a place in the log, and what he wants of it."""

    def __init__(
        self,
        broadcast: Broadcast,
        reader: Callable[[], AbstractAsyncContextManager[Reader]],
        which: EventFilter,
        after: int,
    ) -> None:
        self.after = after
        self._broadcast = broadcast
        self._reader = reader
        self._which = which
        self._takes = which.matcher()
        self._read: Sequence[Message] = ()  # from the log, and not sent yet
        self._read_to = after  # how far the log was read for them

    async def piece(self) -> bytes:
        """What is to be sent next: events, or a comment where none came for long. Nothing once all is over.

        Raises `StorageError` where the log cannot be read.
        """
        deadline = anyio.current_time() + HEARTBEAT
        while not self._broadcast.closed:
            changed = self._broadcast.changed()
            if found := await self._found():
                return found
            if self.after >= self._broadcast.end:
                with anyio.move_on_at(deadline) as waiting:
                    await changed.wait()
                if waiting.cancelled_caught:
                    return b": still here\n\n"
        return b""

    async def _found(self) -> bytes:
        """The next events that are wanted, as many as fit; nothing where the next few are not."""
        if not self._read and self.after >= self._broadcast.start:
            messages = self._broadcast.after(self.after)
            found, number = self._cut(messages)
            if number:
                self.after = messages[number - 1].seq
            return found
        if not self._read:
            await self._read_on()
        found, number = self._cut(self._read)
        self._read = self._read[number:]
        self.after = self._read[0].seq - 1 if self._read else self._read_to
        return found

    async def _read_on(self) -> None:
        known = self._broadcast.end  # no more than what the query finds
        async with self._reader() as reader:
            page = await reader.events_page(Span(after=self.after), self._which, _READ_AT_ONCE)
        self._read = [message(seq, body) for seq, body in page.events]
        last = self._read[-1].seq if self._read else self.after
        self._read_to = max(known, last) if page.next is None else page.next

    def _cut(self, messages: Sequence[Message]) -> tuple[bytes, int]:
        """The first of them that are wanted and fit together, and how many were looked at for that."""
        wanted: list[bytes] = []
        size = 0
        for number, each in enumerate(messages):
            if self._takes(each.facts):
                size += len(each.content)
                if wanted and size > LARGEST_PIECE:
                    return b"".join(wanted), number
                wanted.append(each.content)
        return b"".join(wanted), len(messages)
