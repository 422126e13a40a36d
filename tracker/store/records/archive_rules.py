"""Owns which changes of a job make an archive task, what ends one, and decoding one."""

from collections.abc import Sequence
from typing import Any

from tracker.core.events.event import Changes
from tracker.core.events.job_diff import Change
from tracker.core.jobs.job import Job
from tracker.core.jobs.status import is_terminal
from tracker.core.results.archive_outcome import Results
from tracker.core.results.archive_task import ArchiveTask
from tracker.core.results.result_file import files_of
from tracker.store.records.job_codec import readable_job
from tracker.store.records.results_codec import decode_files


def brings_files(change: Change) -> bool:
    """Whether the job has ended and names a file, and the end or the file is new."""
    job = change.known.job
    if not is_terminal(job.status) or not files_of(job):
        return False
    return any("status" in event.changes or _names_file(event.changes) for event in change.events)


def _names_file(changes: Changes) -> bool:
    return any(name in changes and changes[name][1] for name in ("output_file", "error_file"))


def decode_task(account: str, row: Sequence[Any]) -> ArchiveTask | None:
    """The task of a row: when it was made and is due, its attempts, the data of its job and of its results.

    None if the job cannot be read.
    """
    created_at, due_at, attempts, data, results = row
    job = readable_job(data)
    if job is None:
        return None
    archived = () if results is None else decode_files(results)
    return ArchiveTask(account=account, job=job, created_at=created_at, due_at=due_at, attempts=attempts, archived=archived)


def covers(results: Results, job: Job) -> bool:
    """Whether each file that `job` names now, which may be more than when the task was claimed, is in `results`."""
    covered = {file.file_id for file in results.files} | {file.file_id for file in results.missing}
    return all(file.file_id in covered for file in files_of(job))
