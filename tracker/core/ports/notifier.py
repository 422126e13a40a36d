"""Owns the Protocol of a notifier, which sends to one receiver."""

from collections.abc import Callable, Sequence
from typing import Protocol

from tracker.core.deliveries.delivery import Delivery, Outcome

IsSampled = Callable[[Delivery], bool]
"""Whether the trace of a delivery is recorded, by a service that records traces."""


def sample_all(_delivery: Delivery) -> bool:
    """Leave it to the receiver, where batch-tracker itself records nothing."""
    return True


class Notifier(Protocol):
    """Sends to one receiver. It returns the outcome; the deliverer decides about retries."""

    async def send(self, deliveries: Sequence[Delivery]) -> Outcome:
        """Make one attempt to deliver these, as one message if they are several.

        Raises `AttemptCancelled` if the receiver's worker is stopped while the attempt waits for its turn.
        """


class AttemptCancelled(Exception):  # noqa: N818 - nothing is wrong
    """An attempt that was stopped before it sent anything that must not be sent twice: it does not count."""
