"""Owns the layout of every page: the header, the banners, and the HTML as a response."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from tracker.web.daemon_interface import Daemon
from tracker.web.pages.layout.delivery_banners import NO_WARNINGS, DeliveryWarnings
from tracker.web.pages.layout.partial_updates import HEADER, Versions
from tracker.web.pages.layout.replica_banners import ALONE, Cluster
from tracker.web.pages.layout.status_banners import banners, overall
from tracker.web.pages.rendering.template_rendering import Renderer
from tracker.web.static_files import Static

Context = dict[str, Any]
"""The variables of a template."""

_SHOWN_BANNERS: Final = 3
"""Banners that are always visible; further ones are folded if there are at least two, so that jobs are on the first screen."""

_ACCOUNT_WARNING_PAGES: Final = ("/", "/accounts")
"""The pages with warnings about jobs that nothing watches any more."""


class PageLayout:
    """Renders a whole page from a template and its variables."""

    def __init__(self, daemon: Daemon, static: Static, base_path: str = "") -> None:
        self._daemon = daemon
        self._renderer = Renderer(static, base_path)
        self._versions = Versions()

    def html(self, request: Request, template: str, context: Context) -> str:
        health = self._daemon.health
        warnings: DeliveryWarnings = context.get("delivery_warnings", NO_WARNINGS)
        names = [account.name for account in self._daemon.config.accounts]
        providers = {account.provider for account in self._daemon.config.accounts}
        cluster: Cluster = context.get("cluster", ALONE)
        account_warnings = [*warnings.account_labels()] if request.url.path in _ACCOUNT_WARNING_PAGES else []
        problems = [*cluster.labels(), *banners(health, warnings), *account_warnings]
        common: Context = {
            "here": request.url.path,
            "now": self._daemon.now() / 1000,
            "overall": overall(health, warnings, cluster),
            "this_replica": health.replica,
            "has_replicas": health.replica is not None or bool(cluster.replicas),
            "problems": problems,
            "silences": (),
            "shown_problems": len(problems) if len(problems) <= _SHOWN_BANNERS + 1 else _SHOWN_BANNERS,
            "session": has_session(request),
            "accounts": names,
            "several_accounts": len(names) > 1,
            "vendors": {name: self._daemon.vendors[name].title for name in self._daemon.vendors if name in providers},
            "counting_at_end": [name for name, vendor in self._daemon.vendors.items() if not vendor.has_progress],
        }
        return self._renderer.render(template, common | context)

    def page(self, request: Request, template: str, context: Context, status: int = 200) -> Response:
        """The page. A script that refreshes an open page gets only the changes, or 204 if there are none."""
        html, version = self._versions.marked(self.html(request, template, context))
        seen = request.headers.get(HEADER)
        if seen is None:
            return HTMLResponse(html, status)
        if seen == version and status == 200:
            return Response(status_code=204)
        return HTMLResponse(self._versions.changes(html, seen), status)

    def message(self, request: Request, status: int, title: str, text: str) -> Response:
        """A page with an error message."""
        icon = "unknown" if status == 404 else "alert"
        context = {"title": title, "text": text, "icon_name": icon, "links": [("/", "To the jobs")]}
        return self.page(request, "message.html", context, status)

    def login(self, request: Request, target: str, error: str) -> str:
        """The page of /login, with the path to open after the login and the error ("" for none)."""
        return self.html(request, "login.html", {"next": target, "wrong": error, "overall": None, "problems": []})


def has_session(request: Request) -> bool:
    """Whether the user has logged in."""
    return bool(request.scope.get("state", {}).get("session"))
