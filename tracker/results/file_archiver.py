"""Owns archiving one file: it is found in the archive or downloaded, verified, and published.

A file that is in the archive already is one that a process has published and died before it was recorded: it was verified then,
and is read instead of downloaded again, for it may be gone from the API by now.
"""

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import anyio
import anyio.to_thread
import msgspec
import structlog

from tracker.core.errors.provider_failure import FORBIDDEN, Failure, Reason
from tracker.core.ports.results import ContentError, ContentStream, ResultSource
from tracker.core.results.archive_task import ArchiveTask
from tracker.core.results.file_analysis import Analyzer, FileAnalysis
from tracker.core.results.result_file import ArchivedFile, FileFacts, MissingFile, MissingReason, ResultFile
from tracker.results.archive_settings import ArchiveSettings
from tracker.results.archived_file_reader import open_archived
from tracker.results.compression import SUFFIX, CorruptError, Uncompressed, zstd
from tracker.results.content_pipeline import WITHIN, ContentPipeline, Destination, PipelineLimits, Received, TooLargeError
from tracker.results.failed_attempt import ARCHIVE, CONTRADICTED, DISK_FULL, FailedAttempt, failed_attempt_of
from tracker.results.locations.archived_file_names import name_of
from tracker.results.locations.location import Location, LocationError
from tracker.results.verification import contradiction, is_whole
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.task_groups import task_group

T = TypeVar("T")

BELIEVED_AFTER: Final = 10_000
"""Milliseconds after a job's end from which a file that is not found or refused is missing: until then a replica may lag."""

EQUAL_DOWNLOADS: Final = 3
"""The number of complete downloads of the same content after which it is archived, even if the API's facts contradict it."""

FACTS_WITHIN: Final = 60.0
"""The time limit, in seconds, for the API's facts about a file once its content has been received."""

SLOWEST: Final = 4096
"""Bytes a second, on average over `SLOW_FOR`; a slower download is given up for now."""

SLOW_FOR: Final = 300.0
"""Seconds."""


class Archived(msgspec.Struct, frozen=True):
    """A file in the archive, and the analysis of its lines."""

    file: ArchivedFile
    analysis: FileAnalysis


Outcome = Archived | MissingFile | FailedAttempt


class FileArchiver:
    """Archives the files of one account at `place`."""

    def __init__(
        self,
        source: ResultSource,
        place: Location,
        settings: ArchiveSettings,
        limits: PipelineLimits,
        now: Callable[[], int],
        heartbeat: Heartbeat,
    ) -> None:
        """`limits` are of all archiving; `now` gives Unix milliseconds; `heartbeat` is of the archiver."""
        self._source = source
        self._place = place
        self._settings = settings
        self._limits = limits
        self._now = now
        self._heartbeat = heartbeat
        self._doubted: Counter[tuple[str, str]] = Counter()  # whole downloads that the API contradicted, by file and digest
        self._log = structlog.get_logger()

    async def archive(self, task: ArchiveTask, file: ResultFile) -> Outcome:
        """Archive the file, unless it is in the archive already."""
        try:
            return await self._found(task, file) or await self._download(task, file)
        except LocationError as error:
            return FailedAttempt(reason=DISK_FULL if error.full else ARCHIVE, detail=str(error), others_fail="perhaps")
        except ContentError as error:
            return FailedAttempt(reason=error.failure.reason, detail=error.failure.detail)

    async def _found(self, task: ArchiveTask, file: ResultFile) -> Archived | None:
        """The file as it is in the archive; None if it is not, or is corrupt."""
        name = _name(task, file)
        for stored in (name + SUFFIX, name):
            location = await self._place.find(stored)
            if location and (found := await self._read(task, location)):
                return _archived(file, found, location)
        return None

    async def _read(self, task: ArchiveTask, location: str) -> Received | None:
        pipeline = ContentPipeline(self._analyzer(task), self._limits, self._heartbeat)
        try:
            async with open_archived(self._place, location, self._limits.threads) as parts:
                return await pipeline.run(parts)
        except CorruptError as error:
            self._log.warning("archive.corrupted", account=task.account, job=task.job.id, location=location, error=str(error))
            await self._place.remove(location)
            return None

    async def _download(self, task: ArchiveTask, file: ResultFile) -> Outcome:
        async with self._source.open_content(file.file_id) as content:
            if isinstance(content, Failure):
                return await self._refused(task, file, content)
            if content.length is not None and content.length > self._settings.max_file:
                return self._too_large(file)
            async with self._new_file(task, file, content.length) as destination:
                try:
                    received, facts = await self._receive(task, file, content, destination)
                except TooLargeError:
                    return self._too_large(file)
                doubt = self._doubt(task, file, received, content.length, facts)
                return doubt or _archived(file, received, await destination.file.publish())

    async def _receive(
        self, task: ArchiveTask, file: ResultFile, content: ContentStream, destination: Destination
    ) -> tuple[Received, FileFacts | Failure]:
        """The content and the API's facts about the file, requested at the same time: the owner may delete it at any moment."""
        limit = self._settings.max_file
        pipeline = ContentPipeline(self._analyzer(task), self._limits, self._heartbeat, destination=destination, limit=limit)
        facts: list[FileFacts | Failure] = []

        async def request_facts() -> None:
            facts.append(await self._source.file_facts(file.file_id))

        async with task_group() as group:
            group.start_soon(request_facts)
            received = await pipeline.run(steady(content))
            group.cancel_scope.deadline = anyio.current_time() + FACTS_WITHIN
        return received, facts[0] if facts else Failure(Reason.NETWORK, "the API did not describe the file in time")

    def _doubt(
        self, task: ArchiveTask, file: ResultFile, received: Received, announced: int | None, facts: FileFacts | Failure
    ) -> FailedAttempt | None:
        """Why the file must be downloaded again; None if it is right, or if each download has the same content."""
        if isinstance(facts, Failure):
            if announced is None and facts.reason is not Reason.NOT_FOUND:
                return failed_attempt_of(facts)
            facts = FileFacts()
        found = contradiction(received, announced, facts)
        if found is None:
            return None
        self._doubted[file.file_id, received.sha256] += is_whole(received, announced)
        if self._doubted[file.file_id, received.sha256] < EQUAL_DOWNLOADS:
            return FailedAttempt(reason=CONTRADICTED, detail=found)
        self._log.warning("archive.doubted", account=task.account, job=task.job.id, file=file.file_id, detail=found)
        return None

    async def _refused(self, task: ArchiveTask, file: ResultFile, failure: Failure) -> Outcome:
        """The outcome of a file that the API does not provide."""
        believed = self._now() - task.created_at >= BELIEVED_AFTER
        if failure.status == FORBIDDEN and believed:
            return _missing(file, "forbidden", failure.detail)
        if failure.reason is not Reason.NOT_FOUND:
            return failed_attempt_of(failure)
        facts = await self._source.file_facts(file.file_id)
        if isinstance(facts, FileFacts) and facts.deleted:
            return _missing(file, "gone", "it was deleted")
        if isinstance(facts, Failure) and facts.reason is Reason.NOT_FOUND and believed:
            return _missing(file, "gone", failure.detail)
        return failed_attempt_of(failure)

    def _too_large(self, file: ResultFile) -> MissingFile:
        return _missing(file, "too_large", f"the limit is {self._settings.max_file} bytes")

    @asynccontextmanager
    async def _new_file(self, task: ArchiveTask, file: ResultFile, length: int | None) -> AsyncIterator[Destination]:
        """The destination of the content; if it is not published when the context ends, it is removed."""
        compress, name = self._settings.compress, _name(task, file)
        await self._in_thread(self._check_space, 0 if compress else length or 0)
        new = await self._in_thread(self._place.create, name + SUFFIX if compress else name)
        try:
            yield Destination(new, zstd() if compress else Uncompressed(), self._check_space)
        finally:
            with anyio.CancelScope(shield=True):
                await self._in_thread(new.discard)

    def _check_space(self, needed: int = 0) -> None:
        """Raise `LocationError` if less than `min_free` would be left."""
        free, least = self._place.free_bytes(), self._settings.min_free
        if free - needed < least:
            raise LocationError(f"{free} bytes are free, {needed} are needed now, and min_free is {least}", full=True)

    def _analyzer(self, task: ArchiveTask) -> Analyzer:
        return Analyzer(task.job.model, samples=self._settings.samples)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        with self._heartbeat.waiting(WITHIN):
            return await anyio.to_thread.run_sync(work, *arguments, limiter=self._limits.threads)


async def steady(content: ContentStream) -> AsyncIterator[bytes]:
    """The parts of the content. Raises `ContentError` if the download is slower than `SLOWEST`."""
    since, size = anyio.current_time(), 0
    async for part in content:
        yield part
        size += len(part)
        if anyio.current_time() - since >= SLOW_FOR:
            if size < SLOWEST * SLOW_FOR:
                raise ContentError(Failure(Reason.NETWORK, f"the download is slower than {SLOWEST} bytes a second"))
            since, size = anyio.current_time(), 0


def _name(task: ArchiveTask, file: ResultFile) -> str:
    return name_of(task.account, task.job.id, file.file_id)


def _archived(file: ResultFile, received: Received, location: str) -> Archived:
    archived = ArchivedFile(
        kind=file.kind,
        file_id=file.file_id,
        bytes=received.bytes,
        sha256=received.sha256,
        lines=received.analysis.lines,
        location=location,
    )
    return Archived(archived, received.analysis)


def _missing(file: ResultFile, reason: MissingReason, detail: str) -> MissingFile:
    return MissingFile(kind=file.kind, file_id=file.file_id, reason=reason, detail=detail)
