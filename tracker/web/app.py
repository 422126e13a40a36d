"""Owns the application on `http.listen`: every route of it, behind the guard."""

from starlette.applications import Starlette
from starlette.types import ASGIApp

from tracker.web import deliveries, events, jobs, receivers, state, stream
from tracker.web.access import Access
from tracker.web.attempts import Attempts
from tracker.web.guard import Guard
from tracker.web.login import login_routes
from tracker.web.openapi import openapi_route
from tracker.web.pages.frame import Frame
from tracker.web.pages.mistakes import mistakes
from tracker.web.pages.routes import page_routes
from tracker.web.sessions import Sessions
from tracker.web.static import Static
from tracker.web.tracker import Tracker


def create_app(tracker: Tracker, access: Access, sessions: Sessions) -> ASGIApp:
    """The application, for those that `access` lets in and for those who have logged in."""
    operations = [
        operation for of in (state, jobs, events, stream, deliveries, receivers) for operation in of.operations(tracker)
    ]
    attempts, static = Attempts(), Static()
    frame = Frame(tracker, static)
    app = Starlette(
        routes=[
            *page_routes(tracker, frame),
            *(operation.route() for operation in operations),
            openapi_route(operations),
            static.route(),
            *login_routes(access, sessions, attempts, frame.login),
        ],
        exception_handlers=mistakes(frame),
    )
    app.router.redirect_slashes = False  # a path is as it is
    return Guard(app, access, sessions, attempts)
