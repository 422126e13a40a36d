"""Owns the Protocols of results: a vendor's files API, and what the store keeps of archiving."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from tracker.core.errors.provider_failure import Failure
from tracker.core.results.archive_outcome import ExpiredResults, Results
from tracker.core.results.archive_task import ArchiveBacklog, ArchiveTask
from tracker.core.results.result_file import FileFacts


class ContentError(Exception):
    """The content of a file ended too early, or no more of it came; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure


class ContentStream(Protocol):
    """The content of a file on its way."""

    @property
    def length(self) -> int | None:
        """Bytes that were announced; None if the API does not say."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks of the content, in order. Raises `ContentError`."""


class ResultSource(Protocol):
    """A vendor's files API as one account sees it. Each call is one request."""

    async def file_facts(self, file_id: str) -> FileFacts | Failure:
        """What the API says of the file; a `Failure` of reason NOT_FOUND where it has no such file."""

    def open_content(self, file_id: str) -> AbstractAsyncContextManager[ContentStream | Failure]:
        """The content of the file, as it comes."""


class ArchiveStore(Protocol):
    """The archive tasks and their outcomes. Every method with `await` raises `StorageError` as those of `Store` do.

    An account that is enabled has a task for each job that names a file when a change brings its terminal status, or a file id
    that was not known: it is committed in the transaction of that change.
    """

    def enable(self, accounts: Iterable[str]) -> None:
        """From now on, exactly these accounts get tasks. The tasks that there are stay."""

    async def claim(
        self, account: str, now: int, limit: int, under_way: Collection[str], *, last_due_first: bool = False
    ) -> Sequence[ArchiveTask]:
        """Up to `limit` tasks that are due (`now` is Unix milliseconds), the longest due first; none of a job `under_way`.

        With `last_due_first` their order is the other way round.
        """

    async def next_due(self, account: str, now: int) -> int | None:
        """The next moment after `now` (Unix milliseconds) at which a task becomes due; None if none does."""

    async def fail(self, account: str, job_id: str, due_at: int, reason: str, detail: str) -> None:
        """An attempt failed: the task is due again at `due_at` (Unix milliseconds), with one attempt more.

        `reason` is one of `Reason`, or what else is a metric's label; `detail` is a sentence.
        """

    async def record(self, results: Results) -> None:
        """Commit the outcome: all or nothing.

        That is the results of the job in the place of earlier ones, the end of its task, `batch.archived` where a file is
        archived and `batch.results_gone` where one is missing, with their deliveries: none where the end of the job was
        backfilled. Without a task nothing is committed.
        """

    async def expired(self, before: int, limit: int) -> Sequence[ExpiredResults]:
        """Up to `limit` results that were archived before then (Unix milliseconds) and have files, the oldest first."""

    async def forget_files(self, account: str, job_id: str, at: int) -> None:
        """The files of the job were removed from the archive at `at` (Unix milliseconds). What their lines said is kept."""

    async def backlog(self) -> Mapping[str, ArchiveBacklog]:
        """The tasks that there are, by account; one without any is missing."""

    async def drop_disabled(self, before: int) -> int:
        """Delete the tasks, made before then (Unix milliseconds), of accounts that are not enabled; how many they were."""
