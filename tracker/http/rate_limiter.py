"""The rate limiter of one account's requests: its budget, and the pauses that the API asked for."""

import anyio

from tracker.core.ports.notifier import AttemptCancelled
from tracker.runtime.heartbeat import Heartbeat


class RateLimiter:
    """Allows `rate` requests a second. A second's worth may come at once; none comes before a pause is over."""

    def __init__(self, rate: float, heartbeat: Heartbeat | None = None) -> None:
        """`heartbeat` is of the loop whose requests they are."""
        self._heartbeat = heartbeat or Heartbeat()
        self._next = 0.0  # when the next turn would be due if all came evenly
        self._paused_until = 0.0
        self._queue = anyio.Lock(fast_acquire=True)  # a turn that is due costs no round of the event loop
        self._last = 0.0
        self._closed = anyio.Event()
        self.set_rate(rate)

    def set_rate(self, rate: float) -> None:
        """Give turns at another rate to those who ask from now on; a pause lasts, and what was used up stays used up."""
        self._gap = 1.0 / rate
        self._burst = max(0.0, 1.0 - self._gap)
        self._next = min(self._next, self._last + self._gap + self._burst)

    async def acquire(self) -> None:
        """Wait for a turn, first come, first served. Raises `AttemptCancelled` once the limiter is closed."""
        async with self._queue:
            now = anyio.current_time()
            while (due := max(self._next - self._burst, self._paused_until)) > now and not self._closed.is_set():
                with self._heartbeat.waiting(due - now), anyio.move_on_after(due - now):
                    await self._closed.wait()
                now = anyio.current_time()
            if self._closed.is_set():
                raise AttemptCancelled
            self._next = max(self._next, now) + self._gap
            self._last = now

    def close(self) -> None:
        """Give no further turn, to those who wait for one either."""
        self._closed.set()

    def pause(self, seconds: float) -> None:
        """Give no turn for `seconds` from now."""
        self._paused_until = max(self._paused_until, anyio.current_time() + seconds)
