"""Owns the application on `http.listen`: every route, behind the request guard."""

from starlette.applications import Starlette
from starlette.types import ASGIApp

from tracker.web.access.login import login_routes
from tracker.web.access.login_throttle import LoginThrottle
from tracker.web.access.request_guard import RequestGuard
from tracker.web.access.security_headers import SecurityHeadersMiddleware
from tracker.web.access.session_cookie import Sessions
from tracker.web.access.tokens_and_hosts import AccessPolicy
from tracker.web.api import (
    deliveries,
    events,
    health,
    jobs,
    orphaned_deliveries,
    overview,
    receivers,
    replicas,
    results,
    silences,
    stream,
    vendor_webhooks,
)
from tracker.web.api.openapi import openapi_route
from tracker.web.base_path import BasePathMiddleware
from tracker.web.compression import CompressionMiddleware
from tracker.web.daemon_interface import Daemon
from tracker.web.docs.routes import docs_routes
from tracker.web.overview_cache import OverviewCache
from tracker.web.pages.layout.error_page import error_handlers
from tracker.web.pages.layout.layout import PageLayout
from tracker.web.pages.routes import page_routes
from tracker.web.public_url import DIRECT, PublicUrl
from tracker.web.result_content_paths import ContentPaths
from tracker.web.static_files import Static


def create_app(daemon: Daemon, policy: AccessPolicy, sessions: Sessions, public_url: PublicUrl = DIRECT) -> ASGIApp:
    """The application at `public_url`, for requests that `policy` allows and for users who have logged in."""
    overviews = OverviewCache(daemon)
    endpoints = [
        endpoint
        for of in (
            health,
            results,
            jobs,
            events,
            stream,
            deliveries,
            receivers,
            orphaned_deliveries,
            silences,
            replicas,
            vendor_webhooks,
        )
        for endpoint in of.endpoints(daemon)
    ] + overview.endpoints(daemon, overviews)
    throttle, static = LoginThrottle(), Static()
    layout = PageLayout(daemon, static, public_url.base_path)
    app = Starlette(
        routes=[
            *page_routes(daemon, layout, overviews),
            *docs_routes(endpoints, layout, public_url.base_path),
            *(endpoint.route() for endpoint in endpoints),
            openapi_route(endpoints, public_url.base_path),
            static.route(),
            *login_routes(policy, sessions, throttle, public_url, layout.login),
        ],
        exception_handlers=error_handlers(layout),
    )
    app.router.redirect_slashes = False  # a path is as it is
    is_content = ContentPaths(endpoints).has
    guard = RequestGuard(CompressionMiddleware(app, is_content), policy, sessions, throttle, public_url, is_content=is_content)
    guarded = SecurityHeadersMiddleware(guard)
    return BasePathMiddleware(guarded, public_url.base_path) if public_url.base_path else guarded
