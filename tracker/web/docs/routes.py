"""Owns the routes below `/docs`. What they show is loaded with the first request: most daemons are never asked for it."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracker.web.endpoints.endpoint import Endpoint
from tracker.web.pages.layout.layout import PageLayout

if TYPE_CHECKING:
    from tracker.web.docs.documentation import Documentation


def docs_routes(endpoints: Sequence[Endpoint], layout: PageLayout, base_path: str = "") -> list[Route]:
    @cache
    def documentation() -> "Documentation":
        from tracker.web.docs.documentation import Documentation  # noqa: PLC0415 - the parser of Markdown is long to load

        return Documentation(endpoints, layout, base_path)

    async def index(request: Request) -> Response:
        return await documentation().index(request)

    async def api(request: Request) -> Response:
        return await documentation().api(request)

    async def file(request: Request) -> Response:
        return await documentation().file(request)

    async def guide(request: Request) -> Response:
        return await documentation().guide(request)

    return [
        Route("/docs", index),
        Route("/docs/api", api),
        Route("/docs/files/{path:path}", file),
        Route("/docs/{name}", guide),
    ]
