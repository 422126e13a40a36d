"""Owns what the login sessions of the pages have in common: their interface, their lifetime and their cookie."""

from typing import Final, Protocol

from tracker.web.public_url import PublicUrl

COOKIE: Final = "batch_tracker_session"
LIFETIME: Final = 3600
"""Seconds."""


class Sessions(Protocol):
    """The login sessions, each with an unguessable name, which is the cookie of a browser."""

    def start(self) -> str:
        """Start a session; returns its name."""

    def is_valid(self, name: str) -> bool:
        """Whether the session has been started and is not over."""

    def end(self, name: str) -> None:
        """End the session, if there is one of this name."""


def session_cookie(name: str, public_url: PublicUrl, lifetime: int = LIFETIME) -> str:
    """The Set-Cookie header of a session; with a `lifetime` of 0, a browser deletes the cookie."""
    secure = "; Secure" if public_url.is_https else ""
    return f"{COOKIE}={name}; Path={public_url.cookie_path}; Max-Age={lifetime}; HttpOnly; SameSite=Strict{secure}"
