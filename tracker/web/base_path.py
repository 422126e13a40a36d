"""Owns the base path: the application below a path of a reverse proxy."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BasePathMiddleware:
    """Strips the base path from requests and adds it to redirects.

    It serves proxies that keep the path in the requests that they forward, and those that strip it. All routes and redirects
    behind it are without the base path.
    """

    def __init__(self, app: ASGIApp, base_path: str) -> None:
        self._app = app
        self._base_path = base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_below_base_path(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("location", "").startswith("/"):
                    headers["location"] = self._base_path + headers["location"]
            await send(message)

        base = self._base_path.encode()
        if scope["raw_path"] == base or scope["raw_path"].startswith(base + b"/"):
            stripped = scope["raw_path"][len(base) :] or b"/", scope["path"][len(base) :] or "/"
            scope = {**scope, "raw_path": stripped[0], "path": stripped[1]}
        await self._app(scope, receive, send_below_base_path)
