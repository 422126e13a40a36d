"""Owns a subscriber's position in the log. It reads from the broadcast's buffer, or from the log if it is behind that."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final

import anyio

from tracker.core.ports.reader import Reader
from tracker.core.queries.filters import EventFilter
from tracker.core.queries.pagination import Span
from tracker.web.stream.broadcast import Broadcast
from tracker.web.stream.keep_alive import KEEP_ALIVE, KEEP_ALIVE_INTERVAL
from tracker.web.stream.server_sent_events import EventMessage, event_message

MOST_CHUNK_BYTES: Final = 64 * 1024
"""Bytes that are sent at once; a single event may be larger."""

_READ_AT_ONCE: Final = 256
"""Events per query."""


class Subscriber:
    """Reads the events after `after` that match a filter."""

    def __init__(
        self,
        broadcast: Broadcast,
        reader: Callable[[], AbstractAsyncContextManager[Reader]],
        event_filter: EventFilter,
        after: int,
    ) -> None:
        self.after = after
        self._broadcast = broadcast
        self._reader = reader
        self._filter = event_filter
        self._matches = event_filter.matcher()
        self._from_log: Sequence[EventMessage] = ()  # read from the log, and not sent yet
        self._log_read_to = after  # the seq to which the log was read for them

    async def next_chunk(self) -> bytes:
        """The next events, or a keep-alive if there were none for long; b"" when the stream is closed.

        Raises `StorageError` if the log cannot be read.
        """
        deadline = anyio.current_time() + KEEP_ALIVE_INTERVAL
        while not self._broadcast.closed:
            changed = self._broadcast.changed()
            if chunk := await self._matching_chunk():
                return chunk
            if self.after >= self._broadcast.end:
                with anyio.move_on_at(deadline) as waiting:
                    await changed.wait()
                if waiting.cancelled_caught:
                    return KEEP_ALIVE
        return b""

    async def _matching_chunk(self) -> bytes:
        """The next matching events, as many as fit into a chunk; b"" if none of those that were read match."""
        if not self._from_log and self.after >= self._broadcast.start:
            messages = self._broadcast.after(self.after)
            chunk, number = self._select(messages)
            if number:
                self.after = messages[number - 1].seq
            return chunk
        if not self._from_log:
            await self._read_log()
        chunk, number = self._select(self._from_log)
        self._from_log = self._from_log[number:]
        self.after = self._from_log[0].seq - 1 if self._from_log else self._log_read_to
        return chunk

    async def _read_log(self) -> None:
        end = self._broadcast.end  # before the query, which reads at least to there
        async with self._reader() as reader:
            page = await reader.events_page(Span(after=self.after), self._filter, _READ_AT_ONCE)
        self._from_log = [event_message(seq, body) for seq, body in page.events]
        last = self._from_log[-1].seq if self._from_log else self.after
        self._log_read_to = max(end, last) if page.next is None else page.next

    def _select(self, messages: Sequence[EventMessage]) -> tuple[bytes, int]:
        """The first matching messages that fit into a chunk, and how many messages were examined for it."""
        matching: list[bytes] = []
        size = 0
        for number, each in enumerate(messages):
            if self._matches(each.facts):
                size += len(each.content)
                if matching and size > MOST_CHUNK_BYTES:
                    return b"".join(matching), number
                matching.append(each.content)
        return b"".join(matching), len(messages)
