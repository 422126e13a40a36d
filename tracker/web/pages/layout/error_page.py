"""Owns the error pages: browsers get HTML, other clients problem details (RFC 9457)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tracker.core.errors.storage_error import StorageError
from tracker.web.endpoints import problem_details
from tracker.web.pages.layout.layout import PageLayout

Handler = Callable[[Request, Exception], Awaitable[Response]]

_TITLES: Final = {404: "Not found", 401: "Log in first", 403: "Not allowed"}
_NEVER_HTML: Final = ("/api/", "/metrics", "/healthz", "/readyz", "/static/")


def error_handlers(layout: PageLayout) -> Mapping[Any, Handler]:
    """The exception handlers of the application."""

    async def respond_to_refusal(request: Request, error: Exception) -> Response:
        answer = await problem_details.refusal_response(request, error)
        if not _wants_page(request):
            return answer
        detail = error.detail if isinstance(error, problem_details.Refusal) else f"There is no page at {request.url.path}."
        page = layout.message(request, answer.status_code, _TITLES.get(answer.status_code, "The request failed"), detail)
        page.headers.update({name: value for name, value in answer.headers.items() if name == "allow"})
        return page

    async def respond_to_storage_error(request: Request, error: Exception) -> Response:
        if not _wants_page(request):
            return await problem_details.storage_error_response(request, error)
        return layout.message(request, 503, "The log cannot be read", str(error))

    return {HTTPException: respond_to_refusal, StorageError: respond_to_storage_error, Exception: problem_details.bug_response}


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_NEVER_HTML)
