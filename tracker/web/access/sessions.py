"""Owns the sessions of the page: who has logged in, for how long, and by which cookie that is known."""

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from tracker.web.access.site import Site

COOKIE: Final = "batch_tracker_session"
LIFETIME: Final = 3600
"""Seconds."""

_MOST: Final = 1000
"""The oldest goes first."""


class Sessions:
    """The sessions of this daemon's life. Kept are digests, so that finding one takes no time that tells of its name."""

    def __init__(self, fresh: Callable[[], str], now: Callable[[], float]) -> None:
        """`fresh` gives an unguessable name, `now` seconds of a clock that is never set back."""
        self._fresh = fresh
        self._now = now
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def begin(self) -> str:
        """A new session: its name."""
        name = self._fresh()
        self._until[_digest(name)] = self._now() + LIFETIME
        if len(self._until) > _MOST:
            self._until.popitem(last=False)
        return name

    def has(self, name: str) -> bool:
        return self._until.get(_digest(name), 0.0) > self._now()

    def end(self, name: str) -> None:
        self._until.pop(_digest(name), None)


def cookie(name: str, site: Site, lifetime: int = LIFETIME) -> str:
    """What sets the cookie; with no lifetime, what makes a browser forget it."""
    secure = "; Secure" if site.is_https else ""
    return f"{COOKIE}={name}; Path={site.cookie_path}; Max-Age={lifetime}; HttpOnly; SameSite=Strict{secure}"


def _digest(name: str) -> bytes:
    return sha256(name.encode("utf-8", "surrogateescape")).digest()
