"""Owns the choice of a job's files to download, and what the log has of them."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from tracker.cli.download.errors import DownloadError
from tracker.cli.download.file_download import Wanted
from tracker.cli.download.job_source import JobData
from tracker.cli.download.local_file import path_of
from tracker.core.errors.storage_error import StorageError
from tracker.core.jobs.job_reading import time_of
from tracker.core.jobs.status import is_terminal
from tracker.core.results.result_file import ArchivedFile, FileKind, ResultFile
from tracker.daemon.database_address import configured_database
from tracker.results.file_archiver import BELIEVED_AFTER
from tracker.runtime.clock import now
from tracker.store.opening import open_reader


async def wanted_files(
    config: str | None, job: JobData, kinds: Sequence[FileKind], folder: Path, *, must: bool
) -> list[Wanted]:
    """The files of `kinds` that the job names. Raises `DownloadError` if it names none, or not each one that it `must`."""
    named = [ResultFile(kind, job[f"{kind}_file"]) for kind in kinds if job.get(f"{kind}_file")]
    if not named or (must and len(named) < len(kinds)):
        raise DownloadError(_no_file(job, kinds))
    results = await _read_results(config, job) or {"files": [], "expired_at": None}
    archived = {file["file_id"]: msgspec.convert(file, ArchivedFile) for file in results["files"]}
    ended_at = time_of(job, "completed_at")
    return [
        Wanted(
            account=job["account"],
            job_id=job["id"],
            file=file,
            path=path_of(folder, job["id"], file.kind),
            archived=archived.get(file.file_id),
            is_kept=results["expired_at"] is None,
            is_new=ended_at is not None and now() - ended_at * 1000 < BELIEVED_AFTER,
        )
        for file in named
    ]


async def _read_results(config: str | None, job: JobData) -> Mapping[str, Any] | None:
    """What the log says of the results; None if it says nothing, or there is no log."""
    with suppress(StorageError):
        async with open_reader(configured_database(config)) as reader:
            return await reader.results(job["account"], job["id"])
    return None


def _no_file(job: JobData, kinds: Sequence[FileKind]) -> str:
    if not is_terminal(job["status"]) and not job.get("deleted"):
        return f"job {job['id']} is not over yet ({job['status']}); --wait waits for it"
    return f"job {job['id']} ({job['status']}) names no {f'{kinds[0]} file' if len(kinds) == 1 else 'result file'}"
