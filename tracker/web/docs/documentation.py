"""Owns the pages of the documentation: the index, the guides, the files that they name, and the reference of the API."""

import posixpath
from collections.abc import Sequence
from functools import cached_property
from itertools import groupby

from starlette.requests import Request
from starlette.responses import Response

from tracker.web.api.openapi import document
from tracker.web.docs.api_reference import Operation, operations
from tracker.web.docs.guides import Guide, Guides
from tracker.web.docs.markdown_rendering import RenderedText, render_text
from tracker.web.endpoints.endpoint import Endpoint
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.pages.layout.layout import Context, PageLayout


class Documentation:
    """The pages. They read no database, so they work while it is down; each text is rendered once."""

    def __init__(self, endpoints: Sequence[Endpoint], layout: PageLayout, base_path: str) -> None:
        self._endpoints = endpoints
        self._layout = layout
        self._base_path = base_path
        self._guides = Guides()
        self._rendered: dict[str, RenderedText] = {}

    async def index(self, request: Request) -> Response:
        return self._page(request, "docs.html", {"title": "Documentation"})

    async def api(self, request: Request) -> Response:
        return self._page(request, "docs_api.html", {"title": "API", "operations": self._operations})

    async def guide(self, request: Request) -> Response:
        guide = self._guides.by_name.get(request.path_params["name"])
        if guide is None:
            raise Refusal(404, f"there is no guide {request.path_params['name']!r}; /docs has all of them")
        return self._page(request, "docs_guide.html", {"title": guide.title, "guide": guide, "text": self._text(guide)})

    async def file(self, request: Request) -> Response:
        path = request.path_params["path"]
        if path not in self._guides.files:
            raise Refusal(404, f"the guides name no file {path!r}")
        return self._page(request, "docs_file.html", {"title": path, "content": self._read(path)})

    @cached_property
    def _operations(self) -> list[tuple[str, list[Operation]]]:
        found = operations(document(self._endpoints, self._base_path))
        return [(group, list(each)) for group, each in groupby(found, lambda operation: operation.group)]

    def _text(self, guide: Guide) -> RenderedText:
        if guide.name not in self._rendered:
            self._rendered[guide.name] = render_text(self._read(guide.source), lambda href: self._link(guide, href))
        return self._rendered[guide.name]

    def _read(self, source: str) -> str:
        try:
            return self._guides.text(source)
        except FileNotFoundError:
            raise Refusal(404, f"this installation has no {source}: it was not built from a whole checkout") from None

    def _link(self, guide: Guide, href: str) -> str | None:
        """Where a link from `guide` to a path beside it leads; a folder stands for its README. None if /docs lacks it."""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(guide.source), href))
        target = self._guides.by_source.get(path) or self._guides.by_source.get(f"{path}/README.md")
        if target:
            return f"{self._base_path}/docs/{target.name}"
        return f"{self._base_path}/docs/files/{path}" if path in self._guides.files else None

    def _page(self, request: Request, template: str, context: Context) -> Response:
        common: Context = {"guides": list(self._guides.by_name.values()), "overall": None, "problems": []}
        return self._layout.page(request, template, common | context)
