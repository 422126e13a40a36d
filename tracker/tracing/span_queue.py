"""Owns the spans that wait for their export: a bounded queue, whose newest are dropped where it is full."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice

import anyio


class SpanQueue:
    """Never waits: `add` is called where deliveries are settled and events are logged."""

    def __init__(self, size: int, batch: int, dropped: Callable[[int], None]) -> None:
        """At most `size` spans wait. `dropped` is called with how many have no room."""
        self._spans: deque[bytes] = deque()
        self._size = size
        self._batch = min(batch, size)
        self._dropped = dropped
        self._filled = anyio.Event()

    def __len__(self) -> int:
        return len(self._spans)

    def add(self, spans: Sequence[bytes]) -> None:
        room = self._size - len(self._spans)
        self._spans.extend(spans if len(spans) <= room else spans[:room])
        if len(spans) > room:
            self._dropped(len(spans) - room)
        if len(self._spans) >= self._batch:
            self._filled.set()

    def has_batch(self) -> bool:
        """Whether as many wait as go into one request."""
        return len(self._spans) >= self._batch

    def take(self) -> list[bytes]:
        """The oldest spans, as many as go into one request; none if none wait."""
        taken = list(islice(self._spans, self._batch))
        for _ in taken:
            self._spans.popleft()
        self._filled = anyio.Event()
        if self.has_batch():
            self._filled.set()
        return taken

    async def wait_filled(self) -> None:
        """Wait until there are as many as go into one request, or until `wake`."""
        await self._filled.wait()

    def wake(self) -> None:
        self._filled.set()
