"""Owns the response with the content of an archived file: streamed, whole or a part of it, as the request wants."""

import hashlib
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Annotated, Any, Final

import msgspec
import structlog
from msgspec import Meta
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tracker.core.errors.archive_error import ArchiveError
from tracker.core.results.result_file import FileKind
from tracker.runtime.task_groups import task_group
from tracker.web.api.byte_range import ByteRange, UnsatisfiableRangeError, matches, requested_range
from tracker.web.api.download_limit import DownloadLimit
from tracker.web.endpoints.disconnect import cancel_on_disconnect
from tracker.web.endpoints.problem_details import Refusal

MEDIA_TYPE: Final = "application/jsonl"

Opened = AbstractAsyncContextManager[AsyncIterator[bytes]]

_UNUSUAL: Final = re.compile(r"[^A-Za-z0-9_.-]+")


class Conditions(msgspec.Struct, frozen=True):
    """Which bytes are wanted (one range), and what the client has already."""

    range_: Annotated[str, Meta(description="One range of bytes: `bytes=1000-`")] = msgspec.field(default="", name="range")
    if_range: Annotated[str, Meta(description="The `ETag` of what the range is of")] = msgspec.field(
        default="", name="if-range"
    )
    if_none_match: Annotated[str, Meta(description="The `ETag` of what is there already: answered with 304")] = msgspec.field(
        default="", name="if-none-match"
    )


class StoredFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file to send: its facts, which describe the content as the API gave it, and the function that opens the content."""

    job_id: str
    kind: FileKind
    bytes: int
    sha256: str
    open: Callable[[], Opened]

    @property
    def etag(self) -> str:
        return f'"{self.sha256}"'

    @property
    def name(self) -> str:
        """The name for a file on the client's disk: no character in it is special to a shell or a browser."""
        return f"{_UNUSUAL.sub('_', self.job_id)[:100]}-{self.kind}.jsonl"


def file_response(file: StoredFile, wanted: Conditions, limit: DownloadLimit) -> Response:
    """The response to a request with these conditions. Raises `Refusal` for a range behind the content's end."""
    headers = {"etag": file.etag, "accept-ranges": "bytes"}
    if wanted.if_none_match and matches(wanted.if_none_match, file.etag):
        return Response(status_code=304, headers=headers)
    range_ = _range(file, wanted)
    headers["content-disposition"] = f'attachment; filename="{file.name}"'
    if range_ is None:
        return FileResponse(file, ByteRange(0, file.bytes), limit, 200, headers)
    headers["content-range"] = f"bytes {range_.start}-{range_.end - 1}/{file.bytes}"
    return FileResponse(file, range_, limit, 206, headers)


class FileResponse(Response):
    """Sends a range of the content until the client disconnects."""

    media_type = MEDIA_TYPE

    def __init__(self, file: StoredFile, range_: ByteRange, limit: DownloadLimit, status: int, headers: dict[str, str]) -> None:
        super().__init__(status_code=status, headers=headers | {"content-length": str(range_.end - range_.start)})
        self._file = file
        self._range = range_
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            await self._send_start(send)
            await send({"type": "http.response.body", "body": b""})
            return
        with self._limit.counted():
            await self._send_until_disconnect(scope, receive, send)

    async def _send_until_disconnect(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with task_group() as group:
            group.start_soon(cancel_on_disconnect, receive, group.cancel_scope)
            await self._send_content(scope, send)
            group.cancel_scope.cancel()

    async def _send_content(self, scope: Scope, send: Send) -> None:
        """Send the content. Where it cannot be read, the answer is an error or, once it has begun, a broken connection."""
        started = False
        try:
            async with self._file.open() as chunks:
                async for chunk in self._wanted(chunks):
                    if not started:
                        await self._send_start(send)
                        started = True
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
        except ArchiveError as error:
            structlog.get_logger().warning("archive.failed", job=self._file.job_id, error=str(error))
            if not started:
                raise Refusal(503, str(error), {"retry-after": "60"}) from error
            scope["extensions"]["transport"].abort()
            return
        if not started:
            await self._send_start(send)
        await send({"type": "http.response.body", "body": b""})

    def _wanted(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        is_whole = self._range == (0, self._file.bytes)
        return verified(chunks, self._file) if is_whole else part_of(chunks, self._range)

    async def _send_start(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})


async def verified(chunks: AsyncIterator[bytes], file: StoredFile) -> AsyncIterator[bytes]:
    """The whole content. Its last chunk comes once the SHA-256 has proved all of it. Raises `ArchiveError`."""
    digest, size, held_back = hashlib.sha256(), 0, b""
    async for chunk in chunks:
        if held_back:
            yield held_back
        digest.update(chunk)
        size, held_back = size + len(chunk), chunk
    if (size, digest.hexdigest()) != (file.bytes, file.sha256):
        raise ArchiveError(f"the stored {file.kind} file of job {file.job_id} is not the one that was archived")
    if held_back:
        yield held_back


async def part_of(chunks: AsyncIterator[bytes], range_: ByteRange) -> AsyncIterator[bytes]:
    """The bytes of `range_`, in chunks that are not empty. What follows is not read. Raises `ArchiveError` if bytes lack."""
    at = 0
    async for chunk in chunks:
        wanted = chunk[max(range_.start - at, 0) : max(range_.end - at, 0)]
        at += len(chunk)
        if wanted:
            yield wanted
        if at >= range_.end:
            return
    if at < range_.end:
        raise ArchiveError(f"the stored file has {at} bytes, expected at least {range_.end}")


def stored_file(job_id: str, file: dict[str, Any], open_location: Callable[[str], Opened]) -> StoredFile:
    """The archived `file` (the JSON of an `ArchivedFile`) of a job, whose content is behind `open_location`."""
    location = file["location"]
    return StoredFile(
        job_id=job_id,
        kind=file["kind"],
        bytes=file["bytes"],
        sha256=file["sha256"],
        open=lambda: open_location(location),
    )


def _range(file: StoredFile, wanted: Conditions) -> ByteRange | None:
    """The wanted range; None for the whole file, also if the client has a part of another file."""
    if wanted.if_range and wanted.if_range.strip() != file.etag:
        return None
    try:
        return requested_range(wanted.range_, file.bytes)
    except UnsatisfiableRangeError:
        detail = f"range: the file has {file.bytes} bytes"
        raise Refusal(416, detail, {"content-range": f"bytes */{file.bytes}"}) from None
