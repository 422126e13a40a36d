"""Owns the request guard before every route: it checks the Host header, the size, the source and the token of each request.

It compares paths as they are, and the router has a fixed list of paths. No path is a file, so dots, doubled slashes and
percent-encoded characters have no meaning.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import quote

import anyio
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tracker.web.access.client_identity import client_of
from tracker.web.access.csrf import is_cross_site, is_same_site
from tracker.web.access.login_throttle import LoginThrottle
from tracker.web.access.session_cookie import COOKIE, Sessions
from tracker.web.access.tokens_and_hosts import AccessPolicy, bearer_token
from tracker.web.endpoints.problem_details import problem
from tracker.web.endpoints.request_parsing import BODY_LIMIT
from tracker.web.public_url import PublicUrl

HEAD_LIMIT: Final = 16 * 1024
"""Bytes of the request line and the headers."""

PROBES: Final = ("/healthz", "/readyz")
"""Routes that give their status, without details, to any request: without a token and under any Host."""

OPEN: Final = ("/login", "/logout")
OPEN_BELOW: Final = "/static/"

SIGNED: Final = re.compile(r"/hooks/[^/]+")
"""The route whose POST is signed instead: it needs no token, and is accepted under any Host."""

_READ_METHODS: Final = ("GET", "HEAD", "OPTIONS")


class RequestGuard:
    """Passes allowed requests to the application, and answers the others with an error."""

    def __init__(
        self,
        app: ASGIApp,
        policy: AccessPolicy,
        sessions: Sessions,
        throttle: LoginThrottle,
        public_url: PublicUrl,
        *,
        is_content: Callable[[str], bool],
    ) -> None:
        """`is_content` decides for a path whether reading it always needs a token or a session."""
        self._app = app
        self._policy = policy
        self._sessions = sessions
        self._throttle = throttle
        self._public_url = public_url
        self._is_content = is_content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope)
        refusal = self._refuse_malformed(request) or self._refuse_too_large(request) or self._refuse_unauthorized(request)
        await (refusal or self._app)(scope, receive, send)

    def _refuse_malformed(self, request: Request) -> Response | None:
        hosts, fewest = len(request.headers.getlist("host")), int(request.scope["http_version"] != "1.0")
        return None if fewest <= hosts <= 1 else problem(400, f"found {hosts} Host headers, expected one")

    def _refuse_too_large(self, request: Request) -> Response | None:
        line = len(request.scope["raw_path"]) + len(request.scope["query_string"])
        if line + sum(len(name) + len(value) for name, value in request.headers.raw) > HEAD_LIMIT:
            return problem(431, f"expected at most {HEAD_LIMIT} bytes of headers")
        if int(request.headers.get("content-length", "0")) > BODY_LIMIT:
            return problem(413, f"expected at most {BODY_LIMIT} bytes", {"connection": "close"})
        return None

    def _refuse_unauthorized(self, request: Request) -> Response | None:
        """The refusal of a request that is not allowed, before any of its body is read.

        A valid token is accepted under any Host: no page of another site has it. The state of the request gets `session`,
        `client` and `may_read`, whether the sender may read; for a session also `is_still_welcome`, for routes that stream.
        """
        state, sent = request.scope.setdefault("state", {}), bearer_token(request)
        state["session"] = self._sessions.is_valid(request.cookies.get(COOKIE, ""))
        state["client"] = client_of(request)
        if request.method == "POST" and SIGNED.fullmatch(request.scope["path"]):
            state["may_read"] = False
            return None
        if request.method not in _READ_METHODS and is_cross_site(request, self._public_url.origin):
            return problem(403, "another site's page sent this")
        state["may_read"] = sent is not None and self._policy.is_token(sent)
        if state["may_read"]:
            return None
        refusal = self._refuse_host(request) or self._refuse_without_token(request, session=state["session"])
        if refusal and sent is not None:
            refusal = self._refuse_wrong_token(request)
        state["may_read"] = refusal is None
        return None if request.method in _READ_METHODS and request.scope["path"] in PROBES else refusal

    def _refuse_host(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if self._policy.is_host(host):
            return None
        detail = f"found Host: {host!r}, expected a name of this server; http.hosts of the configuration has more"
        return problem(421, detail)

    def _refuse_without_token(self, request: Request, *, session: bool) -> Response | None:
        """The refusal of a request that needs a token and has neither a token nor a session."""
        reads, path = request.method in _READ_METHODS, request.scope["path"]
        if path in OPEN or path.startswith(OPEN_BELOW):
            return None
        if reads and not self._policy.reads_need_token and not self._is_content(path):
            return None
        if session and (reads or is_same_site(request, self._public_url.origin)):
            request.scope["state"]["is_still_welcome"] = partial(self._sessions.is_valid, request.cookies[COOKIE])
            return None
        if "text/html" in request.headers.get("accept", ""):
            target = _target(request) if request.method == "GET" else "/"  # a form whose session has expired
            return RedirectResponse(f"/login?next={quote(target)}", 303)
        return problem(401, "send a token, as Authorization: Bearer TOKEN", {"www-authenticate": "Bearer"})

    def _refuse_wrong_token(self, request: Request) -> Response:
        """The refusal of a wrong token; while the address has to wait, further ones are not counted."""
        address, now = request.client.host if request.client else "", anyio.current_time()
        if wait := self._throttle.seconds_to_wait(address, now):
            return problem(429, "there were too many wrong tokens", {"retry-after": str(int(wait) + 1)})
        self._throttle.record_failure(address, now)
        return problem(401, "that is not the token, expected Authorization: Bearer TOKEN", {"www-authenticate": "Bearer"})


def _target(request: Request) -> str:
    path, query = request.scope["raw_path"].decode("latin-1"), request.scope["query_string"].decode("latin-1")
    return f"{path}?{query}" if query else path
