"""Owns where people reach the pages: below which path, and under which URL of a reverse proxy."""

from typing import Final
from urllib.parse import urlsplit

import msgspec
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """`base_path` is "" or such as "/tracker"; `external_url` the URL of the jobs' page, without a slash at its end."""

    base_path: str = ""
    external_url: str | None = None

    @property
    def cookie_path(self) -> str:
        return self.base_path or "/"

    @property
    def is_https(self) -> bool:
        """Whether browsers come over https alone, so that a cookie need never travel in the clear."""
        return self.origin.startswith("https://")

    @property
    def origin(self) -> str:
        """What a browser sends as Origin from there; nothing where no URL is configured."""
        parts = urlsplit(self.external_url or "")
        return f"{parts.scheme}://{parts.netloc}".lower() if self.external_url else ""


DIRECT: Final = Site()
"""No proxy is before the server."""


class BelowPath:
    """The application below a path, for proxies that keep that path in what they pass on and for those that strip it.

    Everything behind it, routes and redirects, knows paths without it alone.
    """

    def __init__(self, app: ASGIApp, base_path: str) -> None:
        self._app = app
        self._base_path = base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_below(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("location", "").startswith("/"):
                    headers["location"] = self._base_path + headers["location"]
            await send(message)

        base = self._base_path.encode()
        if scope["raw_path"] == base or scope["raw_path"].startswith(base + b"/"):
            stripped = scope["raw_path"][len(base) :] or b"/", scope["path"][len(base) :] or "/"
            scope = {**scope, "raw_path": stripped[0], "path": stripped[1]}
        await self._app(scope, receive, send_below)
