"""Owns how often an address may get the token wrong: a few times at once, then now and then, so that guessing costs little.

The right token is never held up: what protects it is its length.
"""

import ipaddress
from collections import OrderedDict
from typing import Final

AT_ONCE: Final = 10
SECONDS_EACH: Final = 6.0
"""So long after each further one."""

_REMEMBERED: Final = 4096
"""Addresses; the one that was wrong longest ago is forgotten first."""


class Attempts:
    """The wrong attempts of each address; times are seconds of one clock."""

    def __init__(self) -> None:
        self._spent: OrderedDict[str, float] = OrderedDict()  # until when each address has used up what it may do at once

    def wait(self, address: str, now: float) -> float:
        """Seconds until the address may try again; 0 where it may now."""
        excess = self._spent.get(network_of(address), now) - now - (AT_ONCE - 1) * SECONDS_EACH
        return max(0.0, excess)

    def failed(self, address: str, now: float) -> None:
        network = network_of(address)
        self._spent[network] = max(self._spent.pop(network, now), now) + SECONDS_EACH
        if len(self._spent) > _REMEMBERED:
            self._spent.popitem(last=False)


def network_of(address: str) -> str:
    """The address, or the network of an IPv6 one: a client that has one has all of it."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((found, 64), strict=False)) if found.version == 6 else address
