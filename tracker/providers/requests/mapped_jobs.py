"""Owns making pages and jobs of the answers of a vendor whose objects are mapped to jobs one by one."""

from collections.abc import Callable, Mapping
from typing import Any

from tracker.core.deliveries.retry_schedule import server_time
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Job, Malformed, MalformedJob, Page
from tracker.core.jobs.job_reading import MOST_JOBS, decode
from tracker.http.client import Answer

JobMapping = Callable[[Any], Job | MalformedJob]
"""Makes a job of a vendor's object, whatever it is."""


def read_object(answer: Answer) -> dict[str, Any] | Failure:
    """The JSON object of an answer."""
    found = decode(answer.body)
    if isinstance(found, Malformed):
        return Failure(Reason.MALFORMED, found.reason)
    return found if isinstance(found, dict) else Failure(Reason.MALFORMED, f"expected a JSON object, found {found!r:.60}")


def read_page(answer: Answer, found: Mapping[str, Any], name: str, mapping: JobMapping, next_token: Any) -> Page | Failure:
    """The page whose objects are the list `name` of `found`, which is the content of `answer`; it may be absent or null.

    `next_token` leads to the next page if it is a text that is not empty.
    """
    entries = found.get(name)
    if not isinstance(entries, list | None):
        return Failure(Reason.MALFORMED, f"expected `{name}` to be a list of jobs, found {entries!r:.60}")
    if entries and len(entries) > MOST_JOBS:
        return Failure(Reason.MALFORMED, f"expected at most {MOST_JOBS} jobs, found {len(entries)}")
    read = [_mapped(mapping, each) for each in entries or ()]
    return Page(
        jobs=tuple(each for each in read if isinstance(each, Job)),
        malformed=tuple(each for each in read if isinstance(each, MalformedJob)),
        total=None,
        provider_time=server_time(answer.headers),
        next_token=next_token if isinstance(next_token, str) and next_token else None,
    )


def read_requested(answer: Answer, job_id: str, mapping: JobMapping) -> Job | MalformedJob | Failure:
    """The job that was requested by its ID."""
    found = read_object(answer)
    if isinstance(found, Failure):
        return found
    job = _mapped(mapping, found)
    if isinstance(job, MalformedJob) and job.id is None:
        return Failure(Reason.MALFORMED, job.reason)
    if job.id != job_id:
        return Failure(Reason.MALFORMED, f"requested job {job_id}, received {job.id!r:.60}")
    return job


def _mapped(mapping: JobMapping, found: Any) -> Job | MalformedJob:
    try:
        return mapping(found)
    except RecursionError:
        return MalformedJob(None, "it is nested too deeply")
