"""Owns the fields that an answer lacks: they are filled in from the last known state of the job."""

from tracker.core.jobs.job import Job, PartialJob


def as_tracked(job: Job, known: Job | None, now: int) -> Job:
    """`job` with its missing fields filled in from `known`, at `now` (Unix milliseconds)."""
    return _filled(job, known, now) if isinstance(job, PartialJob) else job


def _filled(job: PartialJob, known: Job | None, now: int) -> Job:
    """Missing fields get their last known value; for an unknown job a counter is 0, and the creation its earliest time."""
    values = {name: getattr(job, name) for name in Job.__struct_fields__}
    if known is not None:
        values |= {name: getattr(known, name) for name in job.absent}
    elif "created_at" in job.absent:
        values["created_at"] = min(filter(None, (job.started_at, job.completed_at)), default=now // 1000)
    return Job(**values)
