"""Owns the Protocol of what the web, the commands and the metrics read."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from tracker.core.deliveries.circuit import Circuit
from tracker.core.queries.filters import DeliveryFilter, EventFilter, JobFilter
from tracker.core.queries.names import Names
from tracker.core.queries.orphans import Orphans
from tracker.core.queries.pages import Backlog, DeliveryKey, DeliveryPage, EventPage, JobKey, JobPage, Span


class Reader(Protocol):
    """What the surfaces read, for one of them at a time. Every method raises `StorageError` where it cannot be read.

    A job is the properties of the BatchJob and what the tracker adds: `account`, `deleted`, `first_seen_at`, `observed_at`,
    `seq` (of its last event) and `outcome`.
    """

    async def jobs_page(self, after: JobKey | None, which: JobFilter, limit: int) -> JobPage:
        """Up to `limit` jobs behind `after`, the newest first."""

    async def jobs_of_id(self, job_id: str) -> Sequence[dict[str, Any]]:
        """The jobs of that id, one for each account that has one."""

    async def job_counts(self) -> Mapping[str, Mapping[str, int]]:
        """How many jobs the log knows, by account and status; "deleted" counts for one."""

    async def events_page(self, span: Span, which: EventFilter, limit: int) -> EventPage:
        """Up to `limit` events of that part of the log."""

    async def last_seq(self) -> int:
        """The seq of the last event; 0 where there is none."""

    async def deliveries_page(
        self, beyond: DeliveryKey | None, which: DeliveryFilter, limit: int, *, newest_first: bool = False
    ) -> DeliveryPage:
        """Up to `limit` deliveries beyond that place, in the log's order or against it, each with its attempts."""

    async def circuits(self) -> Mapping[str, Circuit]:
        """How each receiver was when it was last settled, by its name."""

    async def backlog(self, receiver: str) -> Backlog:
        """What the receiver has not been told."""

    async def last_error(self, receiver: str) -> Mapping[str, Any] | None:
        """The last failed attempt of what is pending or dead: `at`, `seq`, `result`, `status`, `detail`."""

    async def dead_counts(self) -> Mapping[str, int]:
        """How many deliveries are dead, by receiver; one without any is missing."""

    async def orphans(self, receivers: Iterable[str], accounts: Iterable[str]) -> Orphans:
        """What there is of others than these receivers and accounts."""

    async def names(self) -> Names:
        """The accounts, receivers and statuses that the log has."""
