"""Owns the login sessions of a daemon that runs alone: it keeps them in memory, so that a logout or a restart ends them."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from tracker.web.access.session_cookie import LIFETIME

_MOST_SESSIONS: Final = 1000
"""With one more, the oldest ends."""


class SessionsInMemory:
    """The sessions since the daemon's start. Only digests are kept, so that the time of a look-up reveals no name."""

    def __init__(self, random_name: Callable[[], str], now: Callable[[], float]) -> None:
        """`random_name` gives an unguessable name, `now` seconds of a clock that is never set back."""
        self._random_name = random_name
        self._now = now
        self._expires_at: OrderedDict[bytes, float] = OrderedDict()  # by the digest of the name

    def start(self) -> str:
        """Start a session; returns its name."""
        name = self._random_name()
        self._expires_at[_digest(name)] = self._now() + LIFETIME
        if len(self._expires_at) > _MOST_SESSIONS:
            self._expires_at.popitem(last=False)
        return name

    def is_valid(self, name: str) -> bool:
        return self._expires_at.get(_digest(name), 0.0) > self._now()

    def end(self, name: str) -> None:
        self._expires_at.pop(_digest(name), None)


def _digest(name: str) -> bytes:
    return sha256(name.encode("utf-8", "surrogateescape")).digest()
