"""Owns the Protocol of a vendor's batch API."""

from typing import Protocol

import msgspec

from tracker.core.errors.provider_failure import Failure
from tracker.core.jobs.job import Job, MalformedJob, Page


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to list, oldest creation first. `created_after` is whole Unix seconds; no status means every status."""

    statuses: tuple[str, ...] = ()
    created_after: int | None = None


class Provider(Protocol):
    """A vendor's batch API as one account sees it. What goes wrong is a value; each call is one request."""

    async def list_jobs(self, query: ListQuery, page: int, page_size: int) -> Page | Failure:
        """Page `page` (from 0) of the jobs of `query`."""

    async def get_job(self, job_id: str) -> Job | MalformedJob | Failure:
        """The job `job_id`; a `Failure` of reason NOT_FOUND where the API says that it has no such job."""
