"""Owns archiving one job: each of its files, and their common digest and usage."""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from tracker.core.results.archive_outcome import Results
from tracker.core.results.archive_task import ArchiveTask, is_given_up
from tracker.core.results.cost import cost_of
from tracker.core.results.file_analysis import summarize
from tracker.core.results.result_file import ArchivedFile, MissingFile, ResultFile
from tracker.results.archive_settings import ArchiveSettings
from tracker.results.failed_attempt import FailedAttempt
from tracker.results.file_archiver import Archived, FileArchiver, Outcome


class JobArchiver:
    """Archives the jobs of one account."""

    def __init__(self, files: FileArchiver, settings: ArchiveSettings, now: Callable[[], int]) -> None:
        """`now` gives Unix milliseconds."""
        self._files = files
        self._settings = settings
        self._now = now

    async def archive(self, task: ArchiveTask) -> Results | FailedAttempt:
        """The outcome of the job's files, or a failed attempt if one of them must be retried. Every file is tried."""
        tried = [(file, await self._files.archive(task, file)) for file in task.files]
        failed_attempts = [outcome for _, outcome in tried if isinstance(outcome, FailedAttempt)]
        if failed_attempts and not is_given_up(task, self._now()):
            return failed_attempts[0]
        return self._results(task, [*(_final(task, file, outcome) for file, outcome in tried), *_no_longer_named(task)])

    def _results(self, task: ArchiveTask, found: Sequence[Archived | ArchivedFile | MissingFile]) -> Results:
        missing = tuple(each for each in found if isinstance(each, MissingFile))
        analyses = [each.analysis for each in found if isinstance(each, Archived)]
        results = Results(
            account=task.account,
            job_id=task.job.id,
            archived_at=self._now(),
            files=tuple(_files(found)),
            missing=missing,
        )
        if not analyses:
            return results
        digest, usage = summarize(task.job, analyses, complete=len(analyses) == len(found))
        cost = cost_of(usage, self._settings.prices) if self._settings.prices else None
        return msgspec.structs.replace(results, digest=digest, usage=usage, cost=cost)


def _final(task: ArchiveTask, file: ResultFile, outcome: Outcome) -> Archived | ArchivedFile | MissingFile:
    """The record of the file. A file that was archived earlier, in another archive, keeps its record."""
    if isinstance(outcome, Archived):
        return outcome
    for earlier in task.archived:
        if earlier.file_id == file.file_id:
            return earlier
    if isinstance(outcome, FailedAttempt):
        return MissingFile(kind=file.kind, file_id=file.file_id, reason="failed", detail=outcome.detail)
    return outcome


def _no_longer_named(task: ArchiveTask) -> Iterator[ArchivedFile]:
    """Archived files that the job no longer names: what is stored stays recorded."""
    named = {file.file_id for file in task.files}
    return (earlier for earlier in task.archived if earlier.file_id not in named)


def _files(found: Sequence[Archived | ArchivedFile | MissingFile]) -> Iterator[ArchivedFile]:
    for each in found:
        if not isinstance(each, MissingFile):
            yield each.file if isinstance(each, Archived) else each
