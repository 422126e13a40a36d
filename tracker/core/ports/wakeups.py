"""Owns the Protocol of the signals by which those who wait for a commit hear of it."""

from collections.abc import Iterable
from typing import Protocol


class Signal(Protocol):
    """Something that happens once, as anyio's Event."""

    async def wait(self) -> object:
        """Return once it has happened."""


class Wakeups(Protocol):
    """Signals of commits. Take a signal before you read: what is committed after the read sets it."""

    def deliveries_changed(self, receiver: str) -> Signal:
        """Set by the next commit that touches a delivery of `receiver`."""

    def log_grown(self) -> Signal:
        """Set by the next commit that logs an event."""

    def wake_deliverers(self, receivers: Iterable[str]) -> None:
        """Set what those who wait for the deliveries of these receivers wait for."""

    def wake_all_deliverers(self) -> None:
        """The same for every receiver."""

    def wake_log_readers(self) -> None:
        """Set what those who wait for the log to grow wait for."""
