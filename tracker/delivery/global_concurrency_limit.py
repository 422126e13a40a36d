"""Owns the concurrency limit of all receivers together: a thousand with many attempts each would use up the open files."""

from typing import Final

MAX_ATTEMPTS: Final = 512


class GlobalConcurrencyLimit:
    """Shares attempts among receivers. Each may have one in any case, so that hanging receivers do not block others."""

    def __init__(self, max_attempts: int = MAX_ATTEMPTS) -> None:
        self._max_attempts = max_attempts
        self._under_way: dict[str, int] = {}  # by receiver, with the reserved ones

    def reserve(self, receiver: str, under_way: int, wanted: int) -> int:
        """How many of the `wanted` attempts a receiver may start in addition to those under way; they count from now on."""
        self.record(receiver, under_way)
        reserved = max(0, min(wanted, max(self._max_attempts - sum(self._under_way.values()), 1 - under_way)))
        self.record(receiver, under_way + reserved)
        return reserved

    def record(self, receiver: str, under_way: int) -> None:
        """Record how many attempts the receiver has under way; a receiver without any is forgotten."""
        if under_way:
            self._under_way[receiver] = under_way
        else:
            self._under_way.pop(receiver, None)
