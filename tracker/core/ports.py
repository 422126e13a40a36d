"""Owns the Protocols, one for each thing of which a second implementation is planned."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Delivery, Outcome, Settlement
from tracker.core.errors.provider_failure import Failure
from tracker.core.events.event import Event
from tracker.core.events.job_diff import Change, Known
from tracker.core.events.time_driven import Standing
from tracker.core.jobs.job import Job, MalformedJob, Page
from tracker.core.queries.filters import DeliveryFilter, EventFilter, JobFilter
from tracker.core.queries.names import Names
from tracker.core.queries.orphans import Orphans
from tracker.core.queries.pages import Backlog, DeliveryKey, DeliveryPage, EventPage, JobKey, JobPage, Span


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

    async def deleted_since(self, account: str, since: int) -> Mapping[str, int]:
        """The jobs that were deleted after `since`, by id, each with when that was observed (Unix milliseconds)."""

    async def count_created(self, account: str, after: int) -> int:
        """How many jobs the log knows that were created after `after` (Unix seconds)."""

    async def created_of_newest(self, account: str, nth: int) -> int | None:
        """The creation time of the `nth` newest job (from 0); None where fewer are known."""

    async def newest(self, account: str, after: int, most: int) -> Collection[str]:
        """The ids of the newest jobs, but for deleted ones, that were created after `after` (Unix seconds)."""

    async def record(self, account: str, changes: Sequence[Change], watermark: int | None = None) -> None:
        """Commit the changes, their events in the log's order with their deliveries, and the watermark: all or nothing."""

    async def append(self, events: Sequence[Event]) -> Sequence[Event]:
        """Commit events that change no job, with their deliveries, and return them.

        One about a job that is not active any more, or not as the event has it, is left out.
        """

    async def standings(self, account: str, after: str = "") -> Sequence[Standing]:
        """How long active jobs of `account` have been as they are: the next some by id `after` that; none after the last."""

    async def last_of_account(self, account: str) -> Event | None:
        """The last event in the log that is about `account` itself."""

    async def prune(self, before: int) -> int:
        """Forget the deliveries that were delivered or superseded before then (Unix milliseconds); how many they were.

        What was never delivered is kept, and the log itself for ever.
        """


class Facts(Protocol):
    """What the store has, in numbers, for a thread that may wait; whatever it raises where that cannot be told."""

    def jobs(self) -> Iterable[tuple[str, str, bool, int]]:
        """Account, status, whether they are deleted, and how many jobs are so."""

    def backlogs(self) -> Mapping[str, Backlog]:
        """By receiver; one without any may be missing."""

    def circuits(self) -> Mapping[str, Circuit]:
        """How the receivers were when they were last settled; one that never was is missing."""

    def last_seq(self) -> int:
        """The seq of the last event; 0 where there is none."""

    def sizes(self) -> tuple[int, int]:
        """Bytes of the database, and of the log that is written ahead of it."""

    def engine(self) -> tuple[str, bool]:
        """The version of what stores, and whether it is one with a bug that `run` warns of."""


class Waiting(Protocol):
    """Something that can be waited for, as anyio's Event."""

    async def wait(self) -> object:
        """Return once it has happened."""


class Outbox(Protocol):
    """The deliveries that have not ended. Every method with `await` raises `StorageError` as those of `Store` do."""

    def changed(self, receiver: str) -> Waiting:
        """What is set by the next commit that touches a delivery of `receiver`; ask for it before you look."""

    def grown(self) -> Waiting:
        """What is set by the next commit that logs anything; ask for it before you look."""

    def wake(self, receivers: Iterable[str]) -> None:
        """Tell whoever waits for a change of these to look again."""

    async def circuit(self, receiver: str) -> Circuit:
        """How the receiver was when it was last settled."""

    async def claim(self, receiver: str, now: int, hold: float, limit: int, under_way: Collection[int]) -> Sequence[Delivery]:
        """Up to `limit` deliveries that are due and that no earlier one of their stream holds back, the longest due first.

        `hold` is in seconds, `under_way` are the seqs of those that are being sent already.
        """

    async def gathered(self, receiver: str, now: int, hold: float, under_way: Collection[int]) -> Sequence[Delivery]:
        """What a digest may take along, in the log's order: all that is due or was never tried, and is not held back."""

    async def next_due(self, receiver: str, now: int, hold: float) -> int | None:
        """The next moment after `now` (Unix milliseconds) at which something may become due; None where nothing is pending."""

    async def rewind(self, receiver: str, now: int) -> int:
        """The clock says `now` and may have been ahead: a wait that began later begins now; how many deliveries had one."""

    async def settle(
        self, receiver: str, settlements: Sequence[Settlement], circuit: Circuit, events: Sequence[Event] = ()
    ) -> Collection[int]:
        """Commit what attempts came to, how the receiver is now, and the events that say so: all or nothing.

        Returns the seqs of the deliveries that stand as settled. A failed attempt does not settle a delivery that was replayed,
        moved or dropped while the attempt was under way.
        """


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


class Notifier(Protocol):
    """Sends to one receiver. It returns what became of it and decides nothing."""

    async def send(self, deliveries: Sequence[Delivery]) -> Outcome:
        """Make one attempt to deliver these, as one message where they are several.

        Raises `Withdrawn` where it was to wait, and was told that there is nothing to wait for any more.
        """


class Withdrawn(Exception):  # noqa: N818 - nothing is wrong
    """An attempt that ended before anything was sent that another attempt would send twice: it counts as none."""


class StorageError(Exception):
    """The database cannot be read or written; the message says what was tried and what SQLite answered."""
