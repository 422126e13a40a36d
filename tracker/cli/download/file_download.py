"""Owns downloading one file: from the archive, else from the API; verified, and then given its name."""

from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import random
from typing import Final, Literal

import anyio
import anyio.to_thread
import msgspec

from tracker.cli.download.api_access import ApiAccess
from tracker.cli.download.errors import DownloadError, refused
from tracker.cli.download.local_file import LocalFile, digest_of, existing_differs
from tracker.cli.download.view import DownloadView
from tracker.core.deliveries.retry_schedule import backoff
from tracker.core.errors.provider_failure import FORBIDDEN, Failure, Reason
from tracker.core.ports.results import ContentError, ContentStream, ResultSource
from tracker.core.results.file_analysis import Analyzer
from tracker.core.results.result_file import ArchivedFile, FileFacts, FileKind, ResultFile
from tracker.results.archived_file_reader import open_archived
from tracker.results.compression import CorruptError
from tracker.results.content_pipeline import ContentPipeline, Destination, Received, pipeline_limits
from tracker.results.file_archiver import EQUAL_DOWNLOADS, steady
from tracker.results.locations.location import Location, LocationError
from tracker.results.verification import contradiction, is_whole
from tracker.runtime.heartbeat import Heartbeat

ATTEMPTS: Final = 5
"""Of a download that may succeed later."""

FIRST_WAIT: Final = 1.0
LONGEST_WAIT: Final = 60.0
"""Seconds between two attempts. If the API requests a longer wait, there is no further attempt."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A file to download to `path`.

    `archived` is what the log says of it, where it was archived; `is_kept`: it is still in the archive. `is_new`: its job has
    only just ended, so that the API may not have the file yet.
    """

    account: str
    job_id: str
    file: ResultFile
    path: Path
    archived: ArchivedFile | None = None
    is_kept: bool = False
    is_new: bool = False

    @property
    def words(self) -> str:
        return f"{self.file.kind} file {self.file.file_id}"


class Downloaded(msgspec.Struct, frozen=True, kw_only=True):
    """A file that is there, its fields those of `download --json`. "unchanged": it was there before."""

    account: str
    job: str
    kind: FileKind
    file_id: str
    path: str
    bytes: int
    sha256: str
    lines: int
    source: Literal["archive", "api", "unchanged"]


class FileDownload:
    """Downloads files one after the other."""

    def __init__(self, apis: ApiAccess, open_archive: Callable[[], Location], view: DownloadView) -> None:
        """`open_archive` gives the configured archive, or raises `LocationError`."""
        self._apis = apis
        self._open_archive = open_archive
        self._view = view
        self._limits = pipeline_limits()
        self._doubted: Counter[str] = Counter()  # whole downloads that the API contradicted, by their digest

    async def download(self, wanted: Wanted) -> Downloaded:
        """Download the file, unless it is there already. Raises `DownloadError` and `ConfigError`."""
        archived = wanted.archived
        there = await anyio.to_thread.run_sync(digest_of, wanted.path)
        if there and archived:
            if there != archived.sha256:
                raise existing_differs(wanted.path)
            return _downloaded(wanted, archived.bytes, archived.sha256, archived.lines, "unchanged")
        if received := await self._from_archive(wanted):
            return _downloaded(wanted, received.bytes, received.sha256, received.analysis.lines, "archive")
        received = await self._from_api(wanted)
        return _downloaded(wanted, received.bytes, received.sha256, received.analysis.lines, "api")

    async def _from_archive(self, wanted: Wanted) -> Received | None:
        """The file as it was archived; None if the archive does not have it, which is said."""
        archived = wanted.archived
        if archived is None or not wanted.is_kept:
            return None
        try:
            async with open_archived(self._open_archive(), archived.location, self._limits.threads) as parts:
                self._view.begin(archived.kind, archived.bytes)
                async with self._new_file(wanted) as file:
                    received = await self._receive(parts, file)
                    difference = _difference(received, archived)
                    if difference is None:
                        await file.publish()
                        return received
            why = difference
        except (LocationError, CorruptError) as error:
            why = str(error)
        self._view.show_notice(f"{wanted.words}: the archive cannot be used, asking the API: {why}")
        return None

    async def _from_api(self, wanted: Wanted) -> Received:
        source = await self._apis.source(wanted.account)
        attempt = 1
        while isinstance(outcome := await self._attempt(source, wanted), Failure):
            wait = _wait(outcome, attempt)
            if attempt == ATTEMPTS or not _is_passing(outcome, wanted) or wait > LONGEST_WAIT:
                raise refused(wanted.words, wanted.account, outcome)
            self._view.show_notice(f"{wanted.words}: {outcome.reason}: {outcome.detail}; it is tried again")
            await anyio.sleep(wait)
            attempt += 1
        return outcome

    async def _attempt(self, source: ResultSource, wanted: Wanted) -> Received | Failure:
        facts = await source.file_facts(wanted.file.file_id)
        if isinstance(facts, Failure):
            if facts.reason is not Reason.MALFORMED:
                return facts
            facts = FileFacts()
        async with source.open_content(wanted.file.file_id) as content:
            if isinstance(content, Failure):
                return content
            self._view.begin(wanted.file.kind, content.length if content.length is not None else facts.bytes)
            async with self._new_file(wanted) as file:
                return await self._receive_verified(content, facts, wanted, file)

    async def _receive_verified(
        self, content: ContentStream, facts: FileFacts, wanted: Wanted, file: LocalFile
    ) -> Received | Failure:
        try:
            received = await self._receive(steady(content), file)
        except ContentError as error:
            return error.failure
        archived = wanted.archived
        doubt = _difference(received, archived) if archived else self._doubt(received, content.length, facts)
        if doubt and archived and is_whole(received, content.length):
            raise DownloadError(f"{wanted.words}: {doubt}")
        if doubt:
            return Failure(Reason.MALFORMED, doubt)
        await file.publish()
        return received

    def _doubt(self, received: Received, announced: int | None, facts: FileFacts) -> str | None:
        """Why the received content is not the file; None if it is, or if each download has the same content."""
        found = contradiction(received, announced, facts)
        if found is None:
            return None
        self._doubted[received.sha256] += is_whole(received, announced)
        if self._doubted[received.sha256] < EQUAL_DOWNLOADS:
            return found
        self._view.show_notice(f"the same content came {EQUAL_DOWNLOADS} times and is kept, in spite of this: {found}")
        return None

    async def _receive(self, parts: AsyncIterable[bytes], file: LocalFile) -> Received:
        pipeline = ContentPipeline(Analyzer(samples=False), self._limits, Heartbeat(), destination=Destination(file))
        return await pipeline.run(self._counted(parts))

    async def _counted(self, parts: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
        async for part in parts:
            self._view.advance(len(part))
            yield part

    @asynccontextmanager
    async def _new_file(self, wanted: Wanted) -> AsyncIterator[LocalFile]:
        """The local file; it is removed where it is not published, as when the command is interrupted."""
        file = await anyio.to_thread.run_sync(LocalFile, wanted.path)
        try:
            yield file
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(file.discard)


def _difference(received: Received, archived: ArchivedFile) -> str | None:
    """What shows that this is not the file that was archived; None if it is."""
    same = received.sha256 == archived.sha256
    return None if same else f"its SHA-256 is {received.sha256}, and that of the archived file is {archived.sha256}"


def _is_passing(failure: Failure, wanted: Wanted) -> bool:
    return failure.passing or (wanted.is_new and (failure.reason is Reason.NOT_FOUND or failure.status == FORBIDDEN))


def _wait(failure: Failure, attempt: int) -> float:
    """Seconds before the next attempt."""
    return failure.retry_after or backoff(FIRST_WAIT, attempt, LONGEST_WAIT, random())  # noqa: S311 - jitter


def _downloaded(
    wanted: Wanted, size: int, sha256: str, lines: int, source: Literal["archive", "api", "unchanged"]
) -> Downloaded:
    return Downloaded(
        account=wanted.account,
        job=wanted.job_id,
        kind=wanted.file.kind,
        file_id=wanted.file.file_id,
        path=str(wanted.path),
        bytes=size,
        sha256=sha256,
        lines=lines,
        source=source,
    )
