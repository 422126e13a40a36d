"""Owns adaptive concurrency: how many attempts a receiver gets at a time, fewer while it answers that it is overloaded."""

from typing import Final

import msgspec

from tracker.core.deliveries.delivery import Settlement

MAX_CONCURRENCY: Final = 16
"""Attempts that one receiver gets at a time."""


class AdaptiveConcurrency(msgspec.Struct, frozen=True, kw_only=True):
    """The limit of one receiver. An answer of overload halves it; as many successes as it allows raise it by one.

    An attempt that began before `reduced_at` (Unix milliseconds) was sent under the larger limit: its failure does not count.
    """

    width: float = MAX_CONCURRENCY
    reduced_at: int = 0

    @property
    def limit(self) -> int:
        """How many attempts may be under way."""
        return int(self.width)

    def after(self, settled: Settlement) -> "AdaptiveConcurrency":
        """The limit after an attempt."""
        if settled.outcome.delivered:
            return msgspec.structs.replace(self, width=min(MAX_CONCURRENCY, self.width + 1 / self.width))
        if settled.outcome.overloaded and settled.began_at >= self.reduced_at:
            return AdaptiveConcurrency(width=max(1.0, self.width / 2), reduced_at=settled.ended_at)
        return self
