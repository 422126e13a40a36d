"""Owns the application on `http.listen`: every route of it, behind the guard."""

from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from tracker.web.access.login_throttling import Attempts
from tracker.web.access.policy import Access
from tracker.web.access.sessions import Sessions
from tracker.web.access.site import DIRECT, BelowPath, Site
from tracker.web.api import deliveries, events, health, jobs, orphans, receivers, stream
from tracker.web.api.openapi import openapi_route
from tracker.web.daemon_interface import Tracker
from tracker.web.guard import Guard
from tracker.web.login import login_routes
from tracker.web.pages.error_page import mistakes
from tracker.web.pages.layout import Frame
from tracker.web.pages.routes import page_routes
from tracker.web.static_files import Static


def create_app(tracker: Tracker, access: Access, sessions: Sessions, site: Site = DIRECT) -> ASGIApp:
    """The application, reached as `site` says, for those that `access` lets in and for those who have logged in."""
    operations = [
        operation
        for of in (health, jobs, events, stream, deliveries, receivers, orphans)
        for operation in of.operations(tracker)
    ]
    attempts, static = Attempts(), Static()
    frame = Frame(tracker, static, site.base_path)
    app = Starlette(
        routes=[
            *page_routes(tracker, frame),
            *(operation.route() for operation in operations),
            openapi_route(operations, site.base_path),
            static.route(),
            *login_routes(access, sessions, attempts, site, frame.login),
        ],
        exception_handlers=mistakes(frame),
    )
    app.router.redirect_slashes = False  # a path is as it is
    # Compression is safe from BREACH here: no response holds a token, a cookie or another secret next to text that a client
    # chose, so the length of a compressed response reveals none.
    compressed = GZipMiddleware(app, minimum_size=1000, compresslevel=4)
    guard = Guard(compressed, access, sessions, attempts, site)
    return BelowPath(guard, site.base_path) if site.base_path else guard
