"""Owns the guard before every route: which host, how much, from where, by whom; and the headers that make answers harmless.

It compares paths as they are, and the router knows each of its paths by heart: there is no file behind one, so nothing is
made of dots, doubled slashes or what was percent-encoded.
"""

from functools import partial
from typing import Final
from urllib.parse import quote

import anyio
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracker.web.access.login_throttling import Attempts
from tracker.web.access.policy import Access, is_foreign, is_own, sent_token
from tracker.web.access.sessions import COOKIE, Sessions
from tracker.web.access.site import Site
from tracker.web.endpoints.problem_details import problem
from tracker.web.endpoints.request_parsing import BODY_LIMIT

HEAD_LIMIT: Final = 16 * 1024
"""Bytes of the request line and the headers."""

SAFE: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cache-control": "no-store",
}
PROBES: Final = ("/healthz", "/readyz")
"""What tells its status, and no more, without a token and under any Host."""

OPEN: Final = ("/login", "/logout")
OPEN_BELOW: Final = "/static/"

_READING: Final = ("GET", "HEAD", "OPTIONS")


class Guard:
    """Lets through what may pass, and refuses the rest."""

    def __init__(self, app: ASGIApp, access: Access, sessions: Sessions, attempts: Attempts, site: Site) -> None:
        self._app = app
        self._access = access
        self._sessions = sessions
        self._attempts = attempts
        self._site = site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE.items():
                    headers.setdefault(name, value)
            await send(message)

        request = Request(scope)
        answer = self._malformed(request) or self._too_large(request) or self._unwelcome(request) or self._app
        await answer(scope, receive, send_safely)

    def _malformed(self, request: Request) -> Response | None:
        hosts, fewest = len(request.headers.getlist("host")), int(request.scope["http_version"] != "1.0")
        return None if fewest <= hosts <= 1 else problem(400, f"found {hosts} Host headers, expected one")

    def _too_large(self, request: Request) -> Response | None:
        line = len(request.scope["raw_path"]) + len(request.scope["query_string"])
        if line + sum(len(name) + len(value) for name, value in request.headers.raw) > HEAD_LIMIT:
            return problem(431, f"expected at most {HEAD_LIMIT} bytes of headers")
        if int(request.headers.get("content-length", "0")) > BODY_LIMIT:
            return problem(413, f"expected at most {BODY_LIMIT} bytes", {"connection": "close"})
        return None

    def _unwelcome(self, request: Request) -> Response | None:
        """The answer to a request that may not pass, before anything of its body is read.

        The right token always passes, be the Host what it may: no page of another site has it. The state of the request says
        whether its sender may read, for routes that tell everybody a little; and how to ask again, for those that go on.
        """
        state, sent = request.scope.setdefault("state", {}), sent_token(request)
        state["session"] = self._sessions.has(request.cookies.get(COOKIE, ""))
        if request.method not in _READING and is_foreign(request, self._site.origin):
            return problem(403, "another site's page sent this")
        state["may_read"] = sent is not None and self._access.knows(sent)
        if state["may_read"]:
            return None
        refusal = self._misdirected(request) or self._without_token(request, session=state["session"])
        if refusal and sent is not None:
            refusal = self._wrong_token(request)
        state["may_read"] = refusal is None
        return None if request.method in _READING and request.scope["path"] in PROBES else refusal

    def _misdirected(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if self._access.is_host(host):
            return None
        detail = f"found Host: {host!r}, expected a name of this server; http.hosts of the configuration has more"
        return problem(421, detail)

    def _without_token(self, request: Request, *, session: bool) -> Response | None:
        """The answer where a token is missing."""
        reads, path = request.method in _READING, request.scope["path"]
        if path in OPEN or path.startswith(OPEN_BELOW) or (reads and self._access.reading_is_open):
            return None
        if session and (reads or is_own(request, self._site.origin)):
            request.scope["state"]["is_still_welcome"] = partial(self._sessions.has, request.cookies[COOKIE])
            return None
        if "text/html" in request.headers.get("accept", ""):
            following = _target(request) if request.method == "GET" else "/"  # a form of a session that is over
            return RedirectResponse(f"/login?next={quote(following)}", 303)
        return problem(401, "send a token, as Authorization: Bearer TOKEN", {"www-authenticate": "Bearer"})

    def _wrong_token(self, request: Request) -> Response:
        """The answer to a wrong token, and to more of them, which are not even counted."""
        address, now = request.client.host if request.client else "", anyio.current_time()
        if wait := self._attempts.wait(address, now):
            return problem(429, "there were too many wrong tokens", {"retry-after": str(int(wait) + 1)})
        self._attempts.failed(address, now)
        return problem(401, "that is not the token, expected Authorization: Bearer TOKEN", {"www-authenticate": "Bearer"})


def _target(request: Request) -> str:
    path, query = request.scope["raw_path"].decode("latin-1"), request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path
