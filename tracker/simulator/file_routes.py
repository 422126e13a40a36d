"""Owns the calls of the files API: upload, list, get, download, signed link and deletion."""

from collections import Counter
from collections.abc import Callable, Sequence
from secrets import token_bytes
from typing import Any, Final

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from tracker.simulator.faults.download_faults import download, file_not_found
from tracker.simulator.faults.http_error_responses import json_answer, refusal
from tracker.simulator.files.signed_links import LinkSigner
from tracker.simulator.files.stored_file import StoredFile
from tracker.simulator.request_parsing.file_requests import parse_expiry, parse_file_listing, parse_range, parse_upload
from tracker.simulator.workspace import Workspace

HOUR: Final = 3600.0
_BLOB_ERROR: Final = '<?xml version="1.0" encoding="utf-8"?><Error><Code>{}</Code><Message>{}</Message></Error>'


class FileRoutes:
    """Answers each call, at a moment, with a fault or without one. `faulted` counts the faults of files that strike."""

    def __init__(self, workspace: Callable[[], Workspace], faulted: Counter[str]) -> None:
        self._workspace = workspace
        self._faulted = faulted
        self._signer = LinkSigner(token_bytes(32))

    async def upload(self, request: Request, _fault: str | None, at: float) -> Response:
        upload = parse_upload(request.headers.get("content-type", ""), await request.body())
        return json_answer(self._workspace().files_at(at).upload(upload, at).to_data())

    async def list(self, request: Request, _fault: str | None, at: float) -> Response:
        query, page, page_size, with_total = parse_file_listing(request.query_params)
        found = self._workspace().files_at(at).matching(query, at)
        shown = await _described(found[page * page_size : (page + 1) * page_size])
        return json_answer({"object": "list", "data": shown} | ({"total": len(found)} if with_total else {}))

    async def get(self, request: Request, _fault: str | None, at: float) -> Response:
        file = self._file(request, at)
        if isinstance(file, Response):
            return file
        (data,) = await _described([file])
        return json_answer(data | {"deleted": file.deleted})

    async def content(self, request: Request, fault: str | None, at: float) -> Response:
        file = self._readable(request, at)
        if isinstance(file, Response):
            return file
        await _described([file])
        return download(file.content, at, self._download_fault(file, fault))

    async def url(self, request: Request, _fault: str | None, at: float) -> Response:
        hours = parse_expiry(request.query_params)
        file = self._readable(request, at)
        if isinstance(file, Response):
            return file
        return json_answer({"url": self._signer.link(str(request.base_url), file.id, at + hours * HOUR)})

    async def link(self, request: Request, fault: str | None, at: float) -> Response:
        """What a signed link shows, to anyone who has it."""
        given = request.query_params
        if not self._signer.is_valid(request.path_params["id"], given.get("se", ""), given.get("sig", ""), at):
            return _blob_error(403, "AuthenticationFailed", "The signature does not match, or it has expired.")
        file = self._readable(request, at)
        if isinstance(file, Response):
            return _blob_error(404, "BlobNotFound", "The specified blob does not exist.")
        await _described([file])
        return _blob(request, file, at, self._download_fault(file, fault))

    async def delete(self, request: Request, _fault: str | None, at: float) -> Response:
        id_ = request.path_params["id"]
        deleted = self._workspace().files_at(at).delete(id_, at)
        return json_answer({"id": id_, "object": "file", "deleted": True}) if deleted else file_not_found()

    def _file(self, request: Request, at: float) -> StoredFile | Response:
        """The file of the path, or what is answered where it cannot be shown."""
        file = self._workspace().files_at(at).get(request.path_params["id"], at)
        if file is None:
            return file_not_found()
        if file.faults.forbidden:
            self._faulted["file-forbidden"] += 1
            return refusal("403", at)
        return file

    def _readable(self, request: Request, at: float) -> StoredFile | Response:
        """The same, of a file whose content is still there."""
        file = self._file(request, at)
        return file_not_found() if isinstance(file, StoredFile) and file.deleted else file

    def _download_fault(self, file: StoredFile, fault: str | None) -> str | None:
        """What goes wrong with this download: the `fault` that was drawn for it, or that of each download of the file."""
        if fault is None and file.faults.download:
            self._faulted[file.faults.download] += 1
        return fault or file.faults.download


async def _described(files: Sequence[StoredFile]) -> list[dict[str, Any]]:
    """The files as the API shows them; measuring a large one takes seconds, in which others are answered."""
    return await to_thread.run_sync(lambda: [file.to_data() for file in files])


def _blob(request: Request, file: StoredFile, at: float, fault: str | None) -> Response:
    """The content as a blob store sends it: a range of it, if that is asked for."""
    etag, size = f'"0x{file.id.replace("-", "").upper()[:16]}"', file.content.size
    headers = {"accept-ranges": "bytes", "etag": etag}
    is_current = request.headers.get("if-range", etag) == etag
    try:
        span = parse_range(request.headers.get("range"), size) if is_current else None
    except ValueError:
        refused = _blob_error(416, "InvalidRange", "The range is invalid for the size of the resource.")
        refused.headers["content-range"] = f"bytes */{size}"
        return refused
    if span:
        headers["content-range"] = f"bytes {span[0]}-{span[1] - 1}/{size}"
    return download(file.content, at, fault, span=span, headers=headers)


def _blob_error(status: int, code: str, message: str) -> Response:
    return Response(_BLOB_ERROR.format(code, message), status, media_type="application/xml")
