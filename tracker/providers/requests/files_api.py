"""Owns a files API in the form that OpenAI gave it: facts about a file, and its content as a stream."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import msgspec

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.results.result_file import FileFacts
from tracker.providers.requests.authorized_requests import AuthorizedRequests, path_segment
from tracker.providers.requests.downloaded_content import DownloadedContent

IDLE: Final = 30.0
"""Seconds within which some more of a file has to come."""


class FilesApi:
    """The `ResultSource` of one account. Its requests go before those of sweeps. No signed link is ever requested."""

    path: str
    """Of the files, below the base URL."""

    def __init__(self, requests: AuthorizedRequests, *, idle: float = IDLE) -> None:
        """`idle` is seconds between two parts of a content."""
        self._requests = requests
        self._idle = idle

    async def file_facts(self, file_id: str) -> FileFacts | Failure:
        answer = await self._requests.get("file", self._url(file_id), first=True)
        if isinstance(answer, Failure):
            return answer
        try:
            found = msgspec.json.decode(answer.body, type=dict[str, Any])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return Failure(Reason.MALFORMED, f"expected a file as JSON: {error}")
        if found.get("id") != file_id:
            return Failure(Reason.MALFORMED, f"requested file {file_id}, received {found.get('id')!r:.60}")
        return _facts(found)

    @asynccontextmanager
    async def open_content(self, file_id: str) -> AsyncIterator[DownloadedContent | Failure]:
        async with self._requests.stream("content", self._url(file_id) + "/content", self._idle) as answer:
            yield answer if isinstance(answer, Failure) else DownloadedContent(answer)

    def _url(self, file_id: str) -> str:
        return self._requests.url(f"{self.path}/{path_segment(file_id)}")


def _facts(found: dict[str, Any]) -> FileFacts:
    return FileFacts(
        bytes=_count(found.get("bytes")),
        lines=_count(found.get("num_lines")),
        expires_at=_count(found.get("expires_at")),
        deleted=found.get("deleted") is True,
    )


def _count(value: Any) -> int | None:
    """A whole number that is not negative; None for what is not one, as an unknown fact is better than a wrong one."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
