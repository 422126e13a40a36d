"""Owns the Protocol of the one writer of the log."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol

import msgspec

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.events.event import Event
from tracker.core.events.job_diff import Change, Known
from tracker.core.events.time_limits import ActiveJobStatus
from tracker.core.jobs.job import Job
from tracker.core.ports.job_messages import JobMessages
from tracker.core.ports.leases import Leases
from tracker.core.ports.outbox import Outbox
from tracker.core.ports.results import ArchiveStore
from tracker.core.ports.silences import Silences
from tracker.core.ports.wakeups import Wakeups
from tracker.core.queries.orphaned_deliveries import Dropped, Moved, Orphans
from tracker.core.queries.workload import Workload

NOT_SWEPT: Mapping[str, int] = {}


class DatabaseUse(IntEnum):
    """What the database is used for, each saying more of whether it can be used than the one before."""

    READ = 0
    PROBE = 1  # a write of next to nothing: a full disk may have room for that and none for more
    WRITE = 2


UseObserver = Callable[[DatabaseUse, bool], None]
"""Called with each use of the database, and whether it succeeded."""

EventObserver = Callable[[Event, bool], None]
"""Called with each event once it is committed, in the log's order, and whether it was backfilled."""

CommandObserver = Callable[[Collection[str] | None], None]
"""Called with the receivers that a command changed; None stands for any of them."""


HintObserver = Callable[[Collection[tuple[str, str]]], None]
"""Called with accounts and jobs of theirs that may have changed."""


class MovedEvents(NamedTuple):
    """How many events were moved into segments, the first seq of the kept log, and what holds back older ones, if anything."""

    events: int
    first_seq: int
    held_by: str | None


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """How far an account has been read.

    `since` is when it was first contacted (Unix milliseconds). `horizon` is how far back history goes (Unix seconds): jobs that
    were created before and have ended are ignored. `watermark` is the creation time (Unix seconds) up to which new jobs have
    been read without a gap; None until the first sweep was whole.
    """

    since: int
    horizon: int
    watermark: int | None = None


class Store(Protocol):
    """The one writer of the log. Every method raises `StorageError` if the database cannot be read or written."""

    @property
    def outbox(self) -> Outbox:
        """The deliveries of the same database."""

    @property
    def archive(self) -> ArchiveStore:
        """The archive tasks and the results, of the same database."""

    @property
    def silences(self) -> Silences:
        """The silences, of the same database."""

    @property
    def wakeups(self) -> Wakeups:
        """The signals of this store's commits."""

    @property
    def job_messages(self) -> JobMessages:
        """The messages that show jobs, of the same database."""

    @property
    def leases(self) -> Leases:
        """Which accounts, receivers and tasks of the log this process works on."""

    def now(self) -> int:
        """Unix milliseconds, by one clock for all processes that use the database; it reads no database and never raises."""

    def watch_commands(self, commanded: CommandObserver) -> None:
        """Call `commanded` when a command of another process has changed the deliveries or the circuit of receivers."""

    def watch_hints(self, hinted: HintObserver) -> None:
        """Call `hinted` with the hints that other processes send."""

    async def send_hints(self, hints: Collection[tuple[str, str]]) -> None:
        """Have the other processes that use the database hear of these accounts and jobs; those that are not there miss it."""

    def subscribe(self, subscriptions: Iterable[Subscription]) -> None:
        """Make a delivery of each event that is logged from now on, for each of `subscriptions` that it matches."""

    async def checkpoint(self, account: str, initial: Checkpoint) -> Checkpoint:
        """How far `account` has been read. Where it was never contacted, `initial` is kept and returned."""

    async def active_jobs(self, account: str) -> dict[str, Known]:
        """Every active job of `account`, by id, in a dict that is the caller's own."""

    def active_jobs_snapshot(self, account: str) -> Mapping[str, Job]:
        """The active jobs of `account`, by id, as of the last commit; none before `active_jobs` has read them.

        It may be called in any thread, reads no database and never raises.
        """

    async def known_jobs(self, account: str, ids: Collection[str]) -> Mapping[str, Known]:
        """Those of `ids` that the log knows, active or not."""

    async def deleted_since(self, account: str, since: int) -> Mapping[str, int]:
        """The jobs that were deleted after `since`, by id, each with when that was observed (Unix milliseconds)."""

    async def count_created(self, account: str, after: int) -> int:
        """How many jobs the log knows that were created after `after` (Unix seconds)."""

    async def creation_of_nth_newest(self, account: str, nth: int) -> int | None:
        """The creation time of the `nth` newest job (from 0); None if fewer are known."""

    async def newest_ids(self, account: str, after: int, limit: int) -> Collection[str]:
        """The ids of the newest jobs that were created after `after` (Unix seconds), without deleted ones; at most `limit`."""

    async def record(self, account: str, changes: Sequence[Change], watermark: int | None = None) -> None:
        """Commit the changes, their events in the log's order with their deliveries, and the watermark: all or nothing.

        So are the archive tasks of the changes, where `archive` has `account` enabled.
        """

    async def append(self, events: Sequence[Event]) -> Sequence[Event]:
        """Commit events that change no job, with their deliveries, and return those that were logged.

        An event about a job that is no longer active, or no longer as the event has it, is left out, as is a reminder of a
        receiver that does not fail any more.
        """

    async def active_job_statuses(self, account: str, after: str = "") -> Sequence[ActiveJobStatus]:
        """A page of active jobs after the id `after`, by id, each with when it last moved; empty after the last."""

    async def last_account_event(self, account: str) -> Event | None:
        """The last event in the log that is about `account` itself."""

    async def failing_receivers(self) -> Mapping[str, Circuit]:
        """The circuits that are open, by their receivers, which the configuration may not have any more."""

    async def last_receiver_event(self, receiver: str) -> Event | None:
        """The last event in the log that is about `receiver`."""

    async def prune(self, before: int) -> int:
        """Delete the deliveries that were delivered or superseded before then (Unix milliseconds); how many they were.

        So are silences that ended before then, with what they kept. Pending and dead deliveries are kept, and so is the log.
        """

    async def move_events(self, before: int, step: int) -> MovedEvents:
        """Move the beginning of the log into segments: events observed before then (Unix milliseconds) that nothing needs.

        Nothing is moved unless the observations of what would be span `step` milliseconds. An event of an active job holds back
        itself and all after it, as does one that has a delivery. On PostgreSQL nothing is moved.
        """

    async def replay(self, which: Replay, now: int) -> ReplayResult:
        """Make deliveries pending again, due `now` (Unix milliseconds), with the ids and bytes that they always had.

        A receiver that is failing or disabled is probed at once. No deliverer is woken.
        """

    async def enable_receiver(self, receiver: str, now: int) -> bool:
        """Probe a receiver that is failing or disabled at once; whether it was disabled. No deliverer is woken."""

    async def orphans(self, receivers: Iterable[str], accounts: Iterable[str]) -> Orphans:
        """What the database has of others than these receivers and accounts."""

    async def move_deliveries(self, old: str, new: str, now: int) -> Moved:
        """Give the open deliveries of `old` to `new`, but for those that `new` has; same seqs, ids and bodies.

        What is pending is due `now` (Unix milliseconds), what is dead stays dead. No deliverer is woken.
        """

    async def drop_deliveries(self, receiver: str, *, dead: bool = False) -> Dropped:
        """Forget the open deliveries of `receiver`, or its dead ones alone."""

    async def probe(self, swept: Mapping[str, int] = NOT_SWEPT) -> str | None:
        """Try to write: what is wrong with the store; None if it can write and the last `record` did not fail.

        `swept` is when accounts were last swept whole (Unix milliseconds), which is kept for readers while no daemon runs.
        Never raises `StorageError`.
        """

    async def workload(self, accounts: Iterable[str]) -> Workload:
        """How many jobs of these accounts, and deliveries to the subscribed receivers, are not over."""
