"""Owns reading a job back from what the database holds of it."""

from tracker.core.errors.storage_error import StorageError
from tracker.core.jobs.job import Job, PartialJob, parse_job


def stored_job(job_id: str, data: str) -> Job:
    """The job that `data` was written of; raises `StorageError` where that cannot be read."""
    job = parse_job(data.encode())
    if isinstance(job, PartialJob):
        raise StorageError(f"job {job_id}: what the database holds of it cannot be read: it lacks {', '.join(job.absent)}")
    if not isinstance(job, Job):
        raise StorageError(f"job {job_id}: what the database holds of it cannot be read: {job.reason}")
    return job
