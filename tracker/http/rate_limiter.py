"""The rate limiter of one account's requests: its budget, the pauses that the API asked for, and priorities.

There are two queues, each first in, first out. One has priority, but never twice in a row while the other waits: an urgent
request waits for one turn at most, and other requests have at least every second turn.
"""

import math
from typing import Final

import anyio

from tracker.core.ports.notifier import AttemptCancelled
from tracker.runtime.heartbeat import Heartbeat

_ROUNDING: Final = 1e-6
"""Turns that rounding may take away."""


class RateLimiter:
    """Allows `rate` requests per second, with bursts of one second's requests, and none during a pause."""

    def __init__(self, rate: float, heartbeat: Heartbeat | None = None, first: Heartbeat | None = None) -> None:
        """`heartbeat` is of the loop that makes the requests, `first` of the loop whose requests have priority."""
        self._usual, self._first = _Queue(heartbeat or Heartbeat()), _Queue(first or Heartbeat())
        self._next = 0.0  # when the next turn is due without bursts
        self._paused_until = 0.0
        self._last = 0.0
        self._last_queue: _Queue | None = None
        self._closed = False
        self._changed = anyio.Event()
        self.set_rate(rate)

    def set_rate(self, rate: float) -> None:
        """Change the rate of the next turns. A pause lasts, and used turns stay used."""
        self._gap = 1.0 / rate
        self._burst = max(0.0, 1.0 - self._gap)
        self._next = min(self._next, self._last + self._gap + self._burst)

    async def acquire(self) -> None:
        """Wait for a turn. Raises `AttemptCancelled` once the limiter is closed."""
        await self._acquire_in(self._usual, self._first)

    async def acquire_first(self) -> None:
        """As `acquire`, with priority, unless the last turn had priority and others wait."""
        await self._acquire_in(self._first, self._usual)

    def turns_due(self, most: int) -> int:
        """How many turns could be taken now, `most` at most."""
        now = anyio.current_time()
        if self._closed or now < self._paused_until:
            return 0
        if not self._gap:
            return most
        later = (self._burst - max(self._next - now, 0.0)) / self._gap
        return min(most, math.floor(later + _ROUNDING) + 1)

    def seconds_until_due(self) -> float:
        """Seconds until a turn can be taken."""
        return max(0.0, self._next - self._burst - anyio.current_time(), self._paused_until - anyio.current_time())

    def take(self) -> None:
        """Take a turn that is due, without waiting."""
        self._last = anyio.current_time()
        self._next = max(self._next, self._last) + self._gap

    def close(self) -> None:
        """Give no further turn, also to those that wait already."""
        self._closed = True
        self._wake()

    def pause(self, seconds: float) -> None:
        """Give no turn for `seconds` from now."""
        self._paused_until = max(self._paused_until, anyio.current_time() + seconds)

    async def _acquire_in(self, queue: "_Queue", other: "_Queue") -> None:
        async with queue.lock:
            queue.has_head = True
            try:
                await self._wait_for_turn(queue, other)
                now = anyio.current_time()
                self._next = max(self._next, now) + self._gap
                self._last, self._last_queue = now, queue
            finally:
                queue.has_head = False
                if other.has_head:
                    self._wake()

    async def _wait_for_turn(self, queue: "_Queue", other: "_Queue") -> None:
        while not self._closed and (seconds := self._seconds_until_due(other)) > 0:
            with queue.heartbeat.waiting(seconds), anyio.move_on_after(seconds):
                await self._changed.wait()
        if self._closed:
            raise AttemptCancelled

    def _seconds_until_due(self, other: "_Queue") -> float:
        """Seconds until the next turn, or until the one after it if the next one belongs to the other queue."""
        seconds = max(self._next - self._burst, self._paused_until) - anyio.current_time()
        goes_first = self._usual if self._last_queue is self._first else self._first
        return max(seconds, 0.0) + self._gap if other.has_head and other is goes_first else seconds

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class _Queue:
    """Tasks that wait for turns; `heartbeat` is of their loop. Only the first of them, the head, waits for the next turn."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self.heartbeat = heartbeat
        self.lock = anyio.Lock(fast_acquire=True)  # a turn that is due costs no round of the event loop
        self.has_head = False
