"""Owns mistakes as a person sees them: pages for who asks for pages, problems (RFC 9457) for everybody else."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tracker.core.errors.storage_error import StorageError
from tracker.web.endpoints import problem_details
from tracker.web.pages.layout import Frame

Handler = Callable[[Request, Exception], Awaitable[Response]]

_TITLES: Final = {404: "Nothing is here", 401: "Log in first", 403: "Not allowed"}
_NOT_FOR_PEOPLE: Final = ("/api/", "/metrics", "/healthz", "/readyz", "/static/")


def mistakes(frame: Frame) -> Mapping[Any, Handler]:
    """The exception handlers of the application."""

    async def refused(request: Request, error: Exception) -> Response:
        answer = await problem_details.refused(request, error)
        if not _wants_page(request):
            return answer
        detail = error.detail if isinstance(error, problem_details.Refusal) else f"There is no page at {request.url.path}."
        page = frame.message(request, answer.status_code, _TITLES.get(answer.status_code, "That did not work"), detail)
        page.headers.update({name: value for name, value in answer.headers.items() if name == "allow"})
        return page

    async def unreadable(request: Request, error: Exception) -> Response:
        if not _wants_page(request):
            return await problem_details.unreadable(request, error)
        return frame.message(request, 503, "The log cannot be read", str(error))

    return {HTTPException: refused, StorageError: unreadable, Exception: problem_details.broken}


def _wants_page(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_NOT_FOR_PEOPLE)
