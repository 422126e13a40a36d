"""Owns the login throttle: an address that sends wrong tokens must wait, so that guessing is slow.

The right token is always accepted: its length protects it.
"""

from collections import OrderedDict
from typing import Final

from tracker.web.access.client_identity import network_of

BURST: Final = 10
"""Wrong tokens that an address may send at once."""

SECONDS_PER_ATTEMPT: Final = 6.0
"""Seconds until an address that has used its burst may try once more."""

_MOST_ADDRESSES: Final = 4096
"""Addresses that are remembered; the one whose last failure is the oldest is forgotten first."""


class LoginThrottle:
    """The failed attempts of each address; times are seconds of one clock."""

    def __init__(self) -> None:
        self._spent: OrderedDict[str, float] = OrderedDict()  # until when each address has used up its burst

    def seconds_to_wait(self, address: str, now: float) -> float:
        """Seconds until the address may try again; 0 if it may now."""
        excess = self._spent.get(network_of(address), now) - now - (BURST - 1) * SECONDS_PER_ATTEMPT
        return max(0.0, excess)

    def record_failure(self, address: str, now: float) -> None:
        network = network_of(address)
        self._spent[network] = max(self._spent.pop(network, now), now) + SECONDS_PER_ATTEMPT
        if len(self._spent) > _MOST_ADDRESSES:
            self._spent.popitem(last=False)
