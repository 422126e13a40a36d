"""Owns the static files of the package; the URL of each changes with its content."""

from hashlib import sha256
from importlib.resources import files
from mimetypes import guess_type
from typing import Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracker.web.endpoints.problem_details import Refusal

_YEAR: Final = "public, max-age=31536000, immutable"


class _File(NamedTuple):
    content: bytes
    digest: str
    media_type: str


class Static:
    """The files of `tracker/web/static`, by name."""

    def __init__(self) -> None:
        folder = files(__package__).joinpath("static")
        contents = {each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()} if folder.is_dir() else {}
        self._files = {name: _file(name, content) for name, content in contents.items()}

    def path(self, name: str) -> str:
        """Where the file is, below the base path; raises KeyError if there is none."""
        return f"/static/{name}?{self._files[name].digest}"

    def route(self) -> Route:
        return Route("/static/{name}", self._serve)

    async def _serve(self, request: Request) -> Response:
        file = self._files.get(request.path_params["name"])
        if file is None:
            raise Refusal(404, f"there is no file {request.path_params['name']!r}")
        asked_for_this = request.scope["query_string"].decode("latin-1") == file.digest
        headers = {"etag": f'W/"{file.digest}"', "cache-control": _YEAR if asked_for_this else "no-cache"}
        if f'"{file.digest}"' in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(file.content, headers=headers, media_type=file.media_type)


def _file(name: str, content: bytes) -> _File:
    return _File(content, sha256(content).hexdigest()[:16], guess_type(name)[0] or "application/octet-stream")
