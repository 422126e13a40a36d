"""Owns what lies between a job as it was read and a job as it is tracked: what its answer lacked, by what is known of it."""

from tracker.core.jobs.job import Job, PartialJob


def as_tracked(job: Job, known: Job | None, now: int) -> Job:
    """`job` as it is compared, kept and logged, given what is `known` of it, at `now` (Unix milliseconds)."""
    return _completed(job, known, now) if isinstance(job, PartialJob) else job


def _completed(job: PartialJob, known: Job | None, now: int) -> Job:
    """What is absent is the last known value; where nothing is known a counter is 0, and the creation the earliest time."""
    values = {name: getattr(job, name) for name in Job.__struct_fields__}
    if known is not None:
        values |= {name: getattr(known, name) for name in job.absent}
    elif "created_at" in job.absent:
        values["created_at"] = min(filter(None, (job.started_at, job.completed_at)), default=now // 1000)
    return Job(**values)
