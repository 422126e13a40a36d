"""Owns /login and /logout: a token starts a session, a logout ends it."""

from collections.abc import Callable

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from tracker.web.access.login_throttle import LoginThrottle
from tracker.web.access.session_cookie import COOKIE, Sessions, session_cookie
from tracker.web.access.tokens_and_hosts import AccessPolicy
from tracker.web.endpoints.problem_details import problem
from tracker.web.endpoints.request_parsing import form
from tracker.web.public_url import PublicUrl

LoginPage = Callable[[Request, str, str], str]
"""The page as HTML, for a request, the path to open after the login, and the error ("" for none)."""


def login_routes(
    policy: AccessPolicy, sessions: Sessions, throttle: LoginThrottle, public_url: PublicUrl, page: LoginPage
) -> list[Route]:
    def refused(request: Request, status: int, message: str, next_: str, headers: dict[str, str]) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(page(request, next_, message), status, headers)
        return problem(status, message, headers)

    def show(request: Request) -> Response:
        return HTMLResponse(page(request, _own_path(request.query_params.get("next", "/")), ""))

    async def login(request: Request) -> Response:
        if request.method != "POST":
            return show(request)
        fields = await form(request)
        next_, address = _own_path(fields.get("next", "/")), request.client.host if request.client else ""
        now = anyio.current_time()
        if policy.is_token(fields.get("token", "").strip()):  # first: wrong tokens of others lock out no owner of the right one
            return RedirectResponse(next_, 303, {"set-cookie": session_cookie(sessions.start(), public_url)})
        if wait := throttle.seconds_to_wait(address, now):
            headers = {"retry-after": str(int(wait) + 1)}
            return refused(request, 429, f"There were too many wrong tokens; try again in {int(wait) + 1} s.", next_, headers)
        throttle.record_failure(address, now)
        return refused(request, 401, "That is not the token.", next_, {"www-authenticate": "Bearer"})

    async def logout(request: Request) -> Response:
        sessions.end(request.cookies.get(COOKIE, ""))
        return RedirectResponse("/login", 303, {"set-cookie": session_cookie("", public_url, 0)})

    return [
        Route("/login", login, methods=["GET", "POST"]),
        Route("/logout", logout, methods=["POST"]),
    ]


def _own_path(target: str) -> str:
    """`target` if it is a path of this server, else "/": a browser would open another host for some of them."""
    is_path = target.startswith("/") and not target.startswith("//") and "\\" not in target
    return target if is_path and target.isprintable() else "/"
