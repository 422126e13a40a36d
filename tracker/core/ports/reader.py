"""Owns the Protocol of what the web, the commands and the metrics read."""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from tracker.core.deliveries.circuit import Circuit
from tracker.core.queries.backlog import Backlog
from tracker.core.queries.filters import DeliveryFilter, EventFilter, JobFilter
from tracker.core.queries.name_suggestions import Names
from tracker.core.queries.orphaned_deliveries import Orphans
from tracker.core.queries.overview import Overview
from tracker.core.queries.pagination import (
    DeliveryKey,
    DeliveryPage,
    EventPage,
    JobKey,
    JobPage,
    ResultsKey,
    ResultsPage,
    Span,
)
from tracker.core.results.archive_task import ArchiveBacklog
from tracker.core.silences.silence import SilenceStatus


class Reader(Protocol):
    """What the web, the commands and the metrics read, one consumer at a time. Every method may raise `StorageError`.

    A job is the properties of the BatchJob and what the tracker adds: `account`, `deleted`, `first_seen_at`, `observed_at`,
    `seq` (of its last event) and `outcome`.
    """

    async def jobs(self, account: str | None = None, statuses: Sequence[str] = (), limit: int = -1) -> Sequence[dict[str, Any]]:
        """Up to `limit` jobs (all where it is negative), active ones first, then the newest first."""

    async def jobs_by_prefix(self, prefix: str, account: str | None = None) -> Sequence[dict[str, Any]]:
        """Up to 20 jobs whose id starts with `prefix`, of all accounts or one; those alone whose id it is, if there are any."""

    async def jobs_page(self, after: JobKey | None, filters: JobFilter, limit: int) -> JobPage:
        """Up to `limit` jobs behind `after`, the newest first."""

    async def jobs_by_id(self, job_id: str) -> Sequence[dict[str, Any]]:
        """The jobs of that id, one for each account that has one."""

    async def job_counts(self) -> Mapping[str, Mapping[str, int]]:
        """How many jobs the log knows, by account and status; "deleted" counts for one."""

    async def events(self, after: int, filters: EventFilter, limit: int = 500) -> Sequence[tuple[int, str]]:
        """Up to `limit` events (all where it is negative) after the seq `after`, in the log's order: seq and JSON."""

    async def events_page(self, span: Span, filters: EventFilter, limit: int) -> EventPage:
        """Up to `limit` events of that part of the log."""

    async def last_seq(self) -> int:
        """The seq of the last event; 0 if there is none."""

    async def first_seq(self) -> int:
        """The seq of the first event that is kept; what came before is in segments. 1 if nothing was moved there."""

    async def last_sweep(self) -> int | None:
        """When an account was last swept whole, to a few seconds (Unix milliseconds); None if none was."""

    async def last_events(self, type_: str, jobs: Sequence[tuple[str, str]]) -> Mapping[tuple[str, str], str]:
        """The JSON of the last event of this type of each of these jobs, by account and id; a job without one is missing."""

    async def deliveries(self, after: tuple[int, str], filters: DeliveryFilter, limit: int = 500) -> Sequence[dict[str, Any]]:
        """Up to `limit` deliveries after that of a seq and a receiver, in the log's order, each with its attempts."""

    async def start_of_last_deliveries(self, number: int, filters: DeliveryFilter) -> DeliveryKey:
        """The key that the last `number` deliveries come after."""

    async def deliveries_page(
        self, after: DeliveryKey | None, filters: DeliveryFilter, limit: int, *, newest_first: bool = False
    ) -> DeliveryPage:
        """Up to `limit` deliveries after that key, in the log's order or against it, each with its attempts."""

    async def circuits(self) -> Mapping[str, Circuit]:
        """How each receiver was when it was last settled, by its name."""

    async def backlog(self, receiver: str) -> Backlog:
        """What the receiver has not been sent."""

    async def last_error(self, receiver: str) -> Mapping[str, Any] | None:
        """The last failed attempt of what is pending or dead: `at`, `seq`, `result`, `status`, `detail`."""

    async def dead_counts(self) -> Mapping[str, int]:
        """How many deliveries are dead, by receiver; one without any is missing."""

    async def orphans(self, receivers: Iterable[str], accounts: Iterable[str]) -> Orphans:
        """What there is of others than these receivers and accounts."""

    async def names(self) -> Names:
        """The accounts, receivers and statuses that the log has."""

    async def overview(self, now: int) -> Overview:
        """The figures of the overview at `now` (Unix milliseconds), read by few short statements however long the log is."""

    async def results(self, account: str, job_id: str) -> Mapping[str, Any] | None:
        """The outcome of archiving a job's result files; None if there is neither a task nor an outcome.

        Its keys are `account`, `job`, `state` (that of `Results`, or "pending" before the first outcome), `archived_at`,
        `expired_at` (when the files were removed from the archive), `files`, `missing`, `digest`, `usage`, `cost`, and `task`:
        None, or that something is still to be archived, with `created_at`, `due_at`, `attempts`, `reason` and `detail`. Times
        are ISO 8601.
        """

    async def results_page(self, after: ResultsKey | None, account: str | None, since: int, limit: int) -> ResultsPage:
        """Up to `limit` outcomes after that key, of all accounts or one, archived `since` then (Unix milliseconds), in order.

        Each has the keys that `results` gives but for `task`.
        """

    async def archive_backlogs(self) -> Mapping[str, ArchiveBacklog]:
        """The archive tasks that there are, by account; one without any is missing."""

    async def silences(self, ended: int = 0) -> Sequence[SilenceStatus]:
        """The open silences by their start, and the last `ended` of those that ended, the last one first."""

    async def replicas(self) -> Sequence[dict[str, Any]]:
        """The replicas that share the database, by name; none where one process has it to itself.

        Each has `name`, `instance` (that of one process), `version`, `url` (None if it serves none), `joined_at`, `renewed_at`,
        `expires_at`, `live` (whether it still renews its leases), and how many `accounts` and `receivers` it holds. Times are
        ISO 8601.
        """

    async def leases(self) -> Sequence[dict[str, Any]]:
        """The leases that the live replicas share out, by kind and name; none where one process has the database to itself.

        Each has `kind`, `name`, `holder` (the name of a replica; None if no live one holds it), `epoch` (raised by each change
        of hands), `since` and `expires_at` (both None without a holder), and `report` (what the holder says of it, decoded, or
        None). Times are ISO 8601.
        """

    async def wait_for_change(self) -> None:
        """Return once another connection has committed what the reads since this last returned may have missed."""


class ReaderPool(Protocol):
    """A few readers side by side, so that a slow read delays only its own caller."""

    def reader(self) -> AbstractAsyncContextManager[Reader]:
        """A reader for one consumer, for a short while. Raises `StorageError` if nothing can be read, or not in time."""
