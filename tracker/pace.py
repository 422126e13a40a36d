"""Owns the pace of one account's requests: its budget, and the pauses that the API asked for."""

import anyio


class Pace:
    """Turns at most `rate` a second. Up to a second's worth may come at once; none comes before a pause is over."""

    def __init__(self, rate: float) -> None:
        self._gap = 1.0 / rate
        self._burst = max(0.0, 1.0 - self._gap)
        self._next = 0.0  # when the next turn would be due if all came evenly
        self._paused_until = 0.0
        self._queue = anyio.Lock()

    async def turn(self) -> None:
        """Wait for a turn; whoever asked first has the first."""
        async with self._queue:
            now = anyio.current_time()
            while (due := max(self._next - self._burst, self._paused_until)) > now:
                await anyio.sleep_until(due)
                now = anyio.current_time()
            self._next = max(self._next, now) + self._gap

    def pause(self, seconds: float) -> None:
        """Give no turn for `seconds` from now."""
        self._paused_until = max(self._paused_until, anyio.current_time() + seconds)
