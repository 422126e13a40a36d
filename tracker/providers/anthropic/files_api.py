"""Owns the results of Anthropic's batches: what is known of them beforehand, and their lines as a stream.

A batch names its results by a URL. It is never followed: they are requested below the account's own base URL, so that its key
goes nowhere else. A URL that leads to another place than those results is refused.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.results.result_file import FileFacts
from tracker.providers.anthropic.job_mapping import RESULTS, batch_of, request_count
from tracker.providers.anthropic.jobs_api import BATCHES
from tracker.providers.requests.authorized_requests import AuthorizedRequests, path_segment
from tracker.providers.requests.downloaded_content import DownloadedContent
from tracker.providers.requests.mapped_jobs import read_object
from tracker.providers.requests.rfc3339 import unix_seconds

BASE_URL: Final = "https://api.anthropic.com"
IDLE: Final = 30.0
"""Seconds within which some more of the results has to come."""

KEPT_FOR: Final = 29 * 24 * 3600
"""Seconds after the creation of a batch for which its results are kept."""

_PORTS: Final = {"https": 443, "http": 80}


class AnthropicResults:
    """The `ResultSource` of one account. Its requests go before those of sweeps."""

    def __init__(self, requests: AuthorizedRequests, *, idle: float = IDLE) -> None:
        """`idle` is seconds between two parts of the results."""
        self._requests = requests
        self._idle = idle

    async def file_facts(self, file_id: str) -> FileFacts | Failure:
        """What the batch says of its results: a line for each request."""
        batch = await self._batch(file_id)
        if isinstance(batch, Failure):
            return batch
        created_at = unix_seconds(batch.get("created_at"))
        return FileFacts(
            lines=request_count(batch),
            expires_at=None if created_at is None else created_at + KEPT_FOR,
            deleted=batch.get("archived_at") is not None,
        )

    @asynccontextmanager
    async def open_content(self, file_id: str) -> AsyncIterator[DownloadedContent | Failure]:
        """The lines; first the batch is requested, which says whether they are gone, and where they are."""
        batch = await self._batch(file_id)
        refused = batch if isinstance(batch, Failure) else self._refusal(batch)
        if refused:
            yield refused
            return
        async with self._requests.stream("content", self._url(file_id) + RESULTS, self._idle) as answer:
            yield answer if isinstance(answer, Failure) else DownloadedContent(answer)

    async def _batch(self, file_id: str) -> dict[str, Any] | Failure:
        id_ = batch_of(file_id)
        if id_ is None:
            return Failure(Reason.NOT_FOUND, f"expected the ID of a batch with {RESULTS}, found {file_id!r:.60}")
        answer = await self._requests.get("file", self._url(file_id), first=True)
        found = answer if isinstance(answer, Failure) else read_object(answer)
        if not isinstance(found, Failure) and found.get("id") != id_:
            return Failure(Reason.MALFORMED, f"requested batch {id_}, received {found.get('id')!r:.60}")
        return found

    def _refusal(self, batch: dict[str, Any]) -> Failure | None:
        """Why the results are not requested; None if they can be."""
        if batch.get("archived_at") is not None:
            return Failure(Reason.NOT_FOUND, "the batch was archived, and its results are gone")
        url = batch.get("results_url")
        if url is None or self._is_expected(str(url), str(batch["id"])):
            return None
        host = _place(str(url)).host
        return Failure(
            Reason.MALFORMED, f"the results are said to be at {host!r:.80}, not below `base_url`; the key is sent nowhere else"
        )

    def _is_expected(self, url: str, id_: str) -> bool:
        """Whether the URL is that of the batch's results at the account's base URL, or at Anthropic's behind a proxy."""
        paths = {f"{base.rstrip('/')}{BATCHES}/{id_}{RESULTS}" for base in (self._requests.url(""), BASE_URL)}
        return _place(url) in {_place(path) for path in paths}

    def _url(self, file_id: str) -> str:
        return self._requests.url(f"{BATCHES}/{path_segment(batch_of(file_id) or '')}")


class _Place(NamedTuple):
    """Where a URL leads."""

    scheme: str
    host: str | None
    port: int | None
    path: str


def _place(url: str) -> _Place:
    try:
        parts = urlsplit(url)
        return _Place(parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme), parts.path)
    except ValueError:
        return _Place("", None, None, url)
