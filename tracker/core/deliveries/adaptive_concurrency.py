"""Owns the window: how many attempts a receiver is sent side by side, fewer as long as it says that it is too many."""

from typing import Final

import msgspec

from tracker.core.deliveries.delivery import Settlement

SIDE_BY_SIDE: Final = 16
"""Attempts under way at a time; no receiver is asked for more."""


class Window(msgspec.Struct, frozen=True, kw_only=True):
    """Halved by an answer that tells of overload, and one wider after as many successes as it is wide.

    What began before `narrowed_at` (Unix milliseconds) was sent by the wider one: it says nothing of this.
    """

    width: float = SIDE_BY_SIDE
    narrowed_at: int = 0

    @property
    def room(self) -> int:
        """How many may be under way."""
        return int(self.width)

    def after(self, settled: Settlement) -> "Window":
        """The window after an attempt."""
        if settled.outcome.delivered:
            return msgspec.structs.replace(self, width=min(SIDE_BY_SIDE, self.width + 1 / self.width))
        if settled.outcome.overloaded and settled.began_at >= self.narrowed_at:
            return Window(width=max(1.0, self.width / 2), narrowed_at=settled.ended_at)
        return self
