"""Owns the compression of responses."""

from collections.abc import Callable

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send


class CompressionMiddleware:
    """Compresses responses for clients that accept gzip, but for those with the content of results.

    Parts, lengths and digests of such content are of what the API gave. Else compression is safe from BREACH: no response holds
    a token, a cookie or another secret next to text that a client chose, so the length of a compressed response reveals none.
    """

    def __init__(self, app: ASGIApp, is_content: Callable[[str], bool]) -> None:
        """`is_content` decides for a path whether it answers with content."""
        self._app = app
        self._compressing = GZipMiddleware(app, minimum_size=1000, compresslevel=4)
        self._is_content = is_content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app if self._is_content(scope["path"]) else self._compressing
        await app(scope, receive, send)
