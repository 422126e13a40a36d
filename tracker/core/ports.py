"""Owns the Protocols, one for each thing of which a second implementation is planned."""

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from tracker.core.diff import Change, Known
from tracker.core.failure import Failure
from tracker.core.job import Job, MalformedJob, Page


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


class Contact(msgspec.Struct, frozen=True, kw_only=True):
    """How far an account has been read.

    `since` is when it was first contacted (Unix milliseconds). `horizon` is how far back history goes: what was created
    before (Unix seconds) and is over is nobody's business. `watermark` is the creation time up to which new jobs have
    been read without a gap; None until the first reading was whole.
    """

    since: int
    horizon: int
    watermark: int | None = None


class Store(Protocol):
    """The one writer of the log. Every method raises `StorageError` where the database cannot be read or written."""

    async def contact(self, account: str, first: Contact) -> Contact:
        """How far `account` has been read; `first` is kept, and returned, where it was never contacted."""

    async def active(self, account: str) -> Mapping[str, Known]:
        """Every active job of `account`, by id."""

    async def known(self, account: str, ids: Collection[str]) -> Mapping[str, Known]:
        """Those of `ids` that the log knows, active or not."""

    async def count_created(self, account: str, after: int) -> int:
        """How many jobs the log knows that were created after `after` (Unix seconds)."""

    async def created_of_newest(self, account: str, nth: int) -> int | None:
        """The creation time of the `nth` newest job (from 0); None where fewer are known."""

    async def record(self, account: str, changes: Sequence[Change], watermark: int | None = None) -> None:
        """Commit the changes, their events in the log's order, and the watermark: all or nothing, durable on return."""


class StorageError(Exception):
    """The database cannot be read or written; the message says what was tried and what SQLite answered."""
