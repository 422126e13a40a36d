"""Owns the login sessions that replicas share: a name is signed, so that each replica can check it without asking another.

The key is derived from `http.token`, which all replicas have; another token ends every session. A logout ends the session on
the replica that it reaches. The others do not know of it: there a copy of the cookie is valid until the session expires.
"""

from collections.abc import Callable
from hashlib import scrypt
from hmac import compare_digest
from hmac import digest as hmac_digest
from typing import Final

from tracker.web.access.session_cookie import LIFETIME

_SALT: Final = b"batch-tracker login sessions 1"
_COST: Final = 2**14
"""The work of one guess of the token, for one who has a cookie: 16 MiB of memory and some 50 ms."""


class SignedSessions:
    """The sessions of all replicas that have the same token. A name is `EXPIRES.RANDOM.SIGNATURE`; the first is in seconds."""

    def __init__(self, token: str, random_name: Callable[[], str], now: Callable[[], float]) -> None:
        """`random_name` gives an unguessable name without a dot, `now` the Unix time in seconds, the same on all replicas."""
        self._key = scrypt(token.encode(), salt=_SALT, n=_COST, r=8, p=1, dklen=32)
        self._random_name = random_name
        self._now = now
        self._ended: dict[str, int] = {}  # when each session expires that was ended before

    def start(self) -> str:
        """Start a session; returns its name."""
        content = f"{int(self._now()) + LIFETIME}.{self._random_name()}"
        return f"{content}.{self._signature(content)}"

    def is_valid(self, name: str) -> bool:
        expires_at = self._expires_at(name)
        return expires_at is not None and self._now() < expires_at and name not in self._ended

    def end(self, name: str) -> None:
        """End the session on this replica; the browser forgets the cookie."""
        if self.is_valid(name):  # only owners of the token can fill the memory
            self._ended = {each: until for each, until in self._ended.items() if until > self._now()}
            self._ended[name] = int(name.partition(".")[0])

    def _expires_at(self, name: str) -> int | None:
        """When the session expires; None if this is no name that was signed with the token."""
        content, _, signature = name.rpartition(".")
        if not compare_digest(signature.encode("utf-8", "surrogateescape"), self._signature(content).encode()):
            return None
        return int(content.partition(".")[0])

    def _signature(self, content: str) -> str:
        return hmac_digest(self._key, content.encode("utf-8", "surrogateescape"), "sha256").hex()
