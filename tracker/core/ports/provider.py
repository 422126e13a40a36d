"""Owns the Protocol of a vendor's batch API, and the capabilities by which a sweep is planned.

How the vendors' lists map to it, as their documentation and clients stood in November 2026:

| vendor              | order        | pages             | `created_after` | statuses | total |
|---------------------|--------------|-------------------|-----------------|----------|-------|
| Mistral             | oldest first | by number         | yes             | yes      | yes   |
| OpenAI, Azure       | newest first | `after`, an id    | no              | no       | no    |
| Anthropic           | newest first | `after_id`        | no              | no       | no    |
| Gemini              | unknown      | `pageToken`       | no              | no       | no    |
| Fireworks           | newest first | `pageToken`       | by a filter     | by one   | no    |
| Bedrock             | newest first | `nextToken`       | yes             | one only | no    |
| xAI                 | unknown      | a token           | no              | no       | no    |
| Groq, Together      | unknown      | one page in all   | no              | no       | no    |
"""

from enum import StrEnum
from typing import Protocol

import msgspec

from tracker.core.errors.provider_failure import Failure
from tracker.core.jobs.job import Job, MalformedJob, Page


class Order(StrEnum):
    """How a list is ordered by creation time."""

    OLDEST_FIRST = "oldest first"
    NEWEST_FIRST = "newest first"
    UNKNOWN = "unknown"


class ListQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to list. `created_after` is whole Unix seconds; no status means every status.

    A list that cannot be limited in this way has more than the query wants: the caller then reads as far as it needs.
    """

    statuses: tuple[str, ...] = ()
    created_after: int | None = None


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a vendor's list call can do. The defaults are the least that any vendor offers."""

    order: Order = Order.UNKNOWN

    page_size: int = 100
    """The largest page size that is requested."""

    numbered_pages: bool = False
    """The token of page N, from 0, is the decimal N: pages can be read in any order, side by side."""

    filters_creation: bool = False
    """The list can be limited to jobs that were created after a time."""

    filters_statuses: bool = False
    """The list can be limited to several statuses at once."""

    announces_total: bool = False
    """Each page says how many jobs the whole list has, so that a reading can be proved complete."""

    has_progress: bool = True
    """The counters of a job move while it runs; else they are known only at its end."""

    mapped: frozenset[str] = frozenset()
    """The names in a job's `native` whose values its other properties show, or that change without meaning, such as times."""

    @property
    def reads_windows(self) -> bool:
        """Whether one request shows the jobs that were created from any time on, the oldest first."""
        return self.filters_creation and self.order is Order.OLDEST_FIRST

    @property
    def random_access(self) -> bool:
        """Whether one request shows any part of a list, by its place or by its creation time."""
        return self.numbered_pages and self.reads_windows

    def has_passed(self, page: Page, query: ListQuery) -> bool:
        """Whether the pages behind this one have only jobs that were created too early for `query`."""
        if self.order is not Order.NEWEST_FIRST or query.created_after is None or not page.jobs:
            return False
        return min(job.created_at for job in page.jobs) <= query.created_after


class Provider(Protocol):
    """A vendor's batch API as one account sees it. What goes wrong is a value; each call is one request at most."""

    @property
    def capabilities(self) -> Capabilities:
        """What its list call can do."""

    async def list_jobs(self, query: ListQuery, token: str | None, page_size: int) -> Page | Failure:
        """The page of `query` at `token`, the first one where that is None. `Page.next_token` leads to the one behind it."""

    async def get_job(self, job_id: str) -> Job | MalformedJob | Failure:
        """The job `job_id`; a `Failure` of reason NOT_FOUND where the API says that it has no such job."""
