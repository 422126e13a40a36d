"""Owns decoding the jobs that are stored in the database."""

from tracker.core.errors.storage_error import StorageError
from tracker.core.jobs.job import Job, PartialJob
from tracker.core.jobs.job_reading import parse_job


def readable_job(data: str) -> Job | None:
    """The job of `data`; None if it cannot be read."""
    job = parse_job(data.encode())
    return job if isinstance(job, Job) and not isinstance(job, PartialJob) else None


def stored_job(job_id: str, data: str) -> Job:
    """The job of `data`; raises `StorageError` if it cannot be read."""
    job = parse_job(data.encode())
    if isinstance(job, PartialJob):
        raise StorageError(f"job {job_id}: what the database holds of it cannot be read: it lacks {', '.join(job.absent)}")
    if not isinstance(job, Job):
        raise StorageError(f"job {job_id}: what the database holds of it cannot be read: {job.reason}")
    return job
