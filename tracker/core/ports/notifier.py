"""Owns the Protocol of what sends to one receiver."""

from collections.abc import Sequence
from typing import Protocol

from tracker.core.deliveries.delivery import Delivery, Outcome


class Notifier(Protocol):
    """Sends to one receiver. It returns what became of it and decides nothing."""

    async def send(self, deliveries: Sequence[Delivery]) -> Outcome:
        """Make one attempt to deliver these, as one message where they are several.

        Raises `Withdrawn` where it was to wait, and was told that there is nothing to wait for any more.
        """


class Withdrawn(Exception):  # noqa: N818 - nothing is wrong
    """An attempt that ended before anything was sent that another attempt would send twice: it counts as none."""
