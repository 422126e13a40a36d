"""Owns the backlog of a receiver: its undelivered events."""

from typing import NamedTuple


class Backlog(NamedTuple):
    """The undelivered events of a receiver, pending and dead, and when the event of the oldest pending one was observed."""

    pending: int
    dead: int
    oldest_pending_at: str | None
