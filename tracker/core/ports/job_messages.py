"""Owns the Protocol of the messages that show a job, so that they can be updated in place after a restart too."""

from typing import Protocol


class JobMessages(Protocol):
    """Which message of a receiver shows which job: a text for each receiver and stream, which only the notifier reads."""

    async def get(self, receiver: str, stream: str) -> str | None:
        """What was put last; None if nothing was. Raises `StorageError`."""

    async def put(self, receiver: str, stream: str, card: str) -> None:
        """Keep `card` in the place of what was there. Raises `StorageError`."""
