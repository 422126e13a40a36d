"""Owns the Protocol of the wake-up signals: what waits for a commit is woken by it."""

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

    def archive_changed(self) -> Signal:
        """Set by the next commit that makes an archive task."""

    def wake_deliverers(self, receivers: Iterable[str]) -> None:
        """Set the current signals of these receivers."""

    def wake_all_deliverers(self) -> None:
        """Set the current signals of all receivers."""

    def wake_log_readers(self) -> None:
        """Set the current signal of the log's growth."""

    def wake_archivers(self) -> None:
        """Set the current signal of the archive."""
