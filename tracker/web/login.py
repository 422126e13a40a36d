"""Owns /login and /logout: a token for a session, and the end of one."""

from collections.abc import Callable

import anyio
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from tracker.web.access.login_throttling import Attempts
from tracker.web.access.policy import Access
from tracker.web.access.sessions import COOKIE, Sessions, cookie
from tracker.web.access.site import Site
from tracker.web.endpoints.problem_details import problem
from tracker.web.endpoints.request_parsing import form

LoginPage = Callable[[Request, str, str], str]
"""The page as HTML, for a request, where to go on, and what was wrong (or nothing)."""


def login_routes(access: Access, sessions: Sessions, attempts: Attempts, site: Site, page: LoginPage) -> list[Route]:
    def refused(request: Request, status: int, message: str, next_: str, headers: dict[str, str]) -> Response:
        if "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(page(request, next_, message), status, headers)
        return problem(status, message, headers)

    def show(request: Request) -> Response:
        return HTMLResponse(page(request, _own(request.query_params.get("next", "/")), ""))

    async def login(request: Request) -> Response:
        if request.method != "POST":
            return show(request)
        fields = await form(request)
        next_, address, now = _own(fields.get("next", "/")), request.client.host if request.client else "", anyio.current_time()
        if access.knows(fields.get("token", "").strip()):  # first: wrong tokens of others lock no one out who has the right one
            return RedirectResponse(next_, 303, {"set-cookie": cookie(sessions.begin(), site)})
        if wait := attempts.wait(address, now):
            headers = {"retry-after": str(int(wait) + 1)}
            return refused(request, 429, f"There were too many wrong tokens; try again in {int(wait) + 1} s.", next_, headers)
        attempts.failed(address, now)
        return refused(request, 401, "That is not the token.", next_, {"www-authenticate": "Bearer"})

    async def logout(request: Request) -> Response:
        sessions.end(request.cookies.get(COOKIE, ""))
        return RedirectResponse("/login", 303, {"set-cookie": cookie("", site, 0)})

    return [
        Route("/login", login, methods=["GET", "POST"]),
        Route("/logout", logout, methods=["POST"]),
    ]


def _own(target: str) -> str:
    """A path of ours: what a browser would take for another host's is not."""
    is_path = target.startswith("/") and not target.startswith("//") and "\\" not in target
    return target if is_path and target.isprintable() else "/"
