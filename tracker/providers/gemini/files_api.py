"""Owns the Gemini API's files: what it says of a file of results, and its content as a stream."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.results.result_file import FileFacts
from tracker.providers.gemini.jobs_api import not_found, resource_path
from tracker.providers.requests.authorized_requests import AuthorizedRequests
from tracker.providers.requests.downloaded_content import DownloadedContent
from tracker.providers.requests.mapped_jobs import read_object
from tracker.providers.requests.rfc3339 import unix_seconds

FILES: Final = "files/"
IDLE: Final = 30.0
"""Seconds within which some more of a file has to come."""


class GeminiFiles:
    """The `ResultSource` of one account. Its requests go before those of sweeps."""

    def __init__(self, requests: AuthorizedRequests, *, idle: float = IDLE) -> None:
        """`idle` is seconds between two parts of a content."""
        self._requests = requests
        self._idle = idle

    async def file_facts(self, file_id: str) -> FileFacts | Failure:
        path = resource_path(file_id, FILES)
        if path is None:
            return not_found("files/abc", file_id)
        answer = await self._requests.get("file", self._requests.url(path), first=True)
        found = answer if isinstance(answer, Failure) else read_object(answer)
        if isinstance(found, Failure):
            return found
        if found.get("name") != file_id:
            return Failure(Reason.MALFORMED, f"requested file {file_id}, received {found.get('name')!r:.60}")
        return _facts(found)

    @asynccontextmanager
    async def open_content(self, file_id: str) -> AsyncIterator[DownloadedContent | Failure]:
        path = resource_path(file_id, FILES)
        if path is None:
            yield not_found("files/abc", file_id)
            return
        url = self._requests.url(f"{path}:download?alt=media")
        async with self._requests.stream("content", url, self._idle) as answer:
            yield answer if isinstance(answer, Failure) else DownloadedContent(answer)


def _facts(found: dict[str, Any]) -> FileFacts:
    size = found.get("sizeBytes")
    is_size = isinstance(size, str) and size.isascii() and size.isdigit() and len(size) < 19
    return FileFacts(bytes=int(str(size)) if is_size else None, expires_at=unix_seconds(found.get("expirationTime")))
