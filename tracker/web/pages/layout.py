"""Owns the layout of every page: its head, the daemon's state, the banners, and the HTML as a response."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tracker.core.reconciliation.account_health import Health
from tracker.runtime.clock import now
from tracker.web.daemon_interface import Tracker
from tracker.web.pages.delivery_warnings import NO_TROUBLE, DeliveryTrouble
from tracker.web.pages.formatting import Sign
from tracker.web.pages.partial_updates import HEADER, Versions
from tracker.web.pages.rendering import Renderer
from tracker.web.static_files import Static

About = dict[str, Any]

_SHOWN_PROBLEMS: Final = 3
"""Banners that a page shows unfolded where there are more than one more: the jobs are to be on the first screen."""

_OF_JOBS: Final = ("/", "/accounts")
"""The pages that say which jobs nothing follows any more."""


class Frame:
    """Makes a whole page of a template and what it is about."""

    def __init__(self, tracker: Tracker, static: Static, base_path: str = "") -> None:
        self._tracker = tracker
        self._renderer = Renderer(static, base_path)
        self._versions = Versions()

    def html(self, request: Request, template: str, about: About) -> str:
        health = self._tracker.health
        trouble: DeliveryTrouble = about.get("delivery_trouble", NO_TROUBLE)
        names = [account.name for account in self._tracker.config.accounts]
        found = problems(health, trouble) + (_of_accounts(trouble) if request.url.path in _OF_JOBS else [])
        frame: About = {
            "here": request.url.path,
            "now": now() / 1000,
            "overall": overall(health, trouble),
            "problems": found,
            "shown_problems": len(found) if len(found) <= _SHOWN_PROBLEMS + 1 else _SHOWN_PROBLEMS,
            "session": has_session(request),
            "accounts": names,
            "several_accounts": len(names) > 1,
        }
        return self._renderer.render(template, frame | about)

    def page(self, request: Request, template: str, about: About, status: int = 200) -> Response:
        """The page; for a look of a page that is open, what has changed of it, or 204 where nothing has."""
        html, version = self._versions.marked(self.html(request, template, about))
        seen = request.headers.get(HEADER)
        if seen is None:
            return HTMLResponse(html, status)
        if seen == version and status == 200:
            return Response(status_code=204)
        return HTMLResponse(self._versions.changes(html, seen), status)

    def message(self, request: Request, status: int, title: str, text: str) -> Response:
        """A page that says what is wrong, in the look of the others."""
        about = {"title": title, "text": text, "sign": "unknown" if status == 404 else "alert", "links": [("/", "To the jobs")]}
        return self.page(request, "message.html", about, status)

    def login(self, request: Request, following: str, wrong: str) -> str:
        """The page of /login, for a request, where to go on, and what was wrong (or nothing)."""
        return self.html(request, "login.html", {"next": following, "wrong": wrong, "overall": None, "problems": []})


def has_session(request: Request) -> bool:
    """Whether who asks has logged in."""
    return bool(request.scope.get("state", {}).get("session"))


def overall(health: Health, trouble: DeliveryTrouble = NO_TROUBLE) -> Sign:
    """How the daemon is, for the header."""
    if health.not_ready_because():
        return Sign("alert", "not ready", "bad")
    failing = trouble or any(state.failure or state.unreadable for state in health.accounts.values())
    return Sign("alert", "in trouble", "warn") if failing else Sign("ok", "ready", "ok")


def problems(health: Health, trouble: DeliveryTrouble = NO_TROUBLE) -> list[Sign]:
    """The banners of every page: each problem that needs a person."""
    banners = [Sign("alert", f"Not ready: {reason}", "warn") for reason in health.not_ready_because()]
    failing = [(name, state.failure) for name, state in health.accounts.items() if state.failure]
    banners += [
        Sign("alert", f"Account {name} cannot be read ({failure.reason.value.replace('_', ' ')}): {failure.detail}", "bad")
        for name, failure in failing
    ]
    banners += [
        Sign("alert", f"Account {name}: {state.unreadable[0].what} cannot be read, or only in part", "warn")
        for name, state in health.accounts.items()
        if state.unreadable
    ]
    return [*banners, *trouble.signs()]


def _of_accounts(trouble: DeliveryTrouble) -> list[Sign]:
    return [*trouble.account_signs()]
