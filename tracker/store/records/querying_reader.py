"""Owns what both engines' readers share: each method of the `Reader` is a few statements, read as of one moment."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Concatenate, NamedTuple, ParamSpec, TypeVar

import msgspec

from tracker.core.deliveries.circuit import Circuit
from tracker.core.errors.storage_error import StorageError
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
from tracker.store.records.delivery_pages import (
    DeliveryStatements,
    read_backlog,
    read_circuits,
    read_deliveries,
    read_last_error,
    read_whole_pages,
    start_of_last,
)
from tracker.store.records.event_pages import EventStatements, last_events, last_seq, log_bounds, read_events, read_log
from tracker.store.records.job_pages import JobStatements, jobs_active_first, jobs_by_id, jobs_by_prefix, read_jobs
from tracker.store.records.names import NameStatements, read_names
from tracker.store.records.orphaned_deliveries_and_jobs import OrphanStatements, read_orphans
from tracker.store.records.overview_figures import OverviewStatements, read_overview
from tracker.store.records.query import Query
from tracker.store.records.result_pages import ResultStatements, decode_backlogs, read_results, read_results_page
from tracker.store.records.silence_list import SilenceStatements, read_silences

Read = TypeVar("Read")
Parameters = ParamSpec("Parameters")


class ReadStatements(NamedTuple):
    """The statements of an engine, and two of its own: account, status, deleted and number of jobs; the last sweep."""

    events: EventStatements
    jobs: JobStatements
    deliveries: DeliveryStatements
    results: ResultStatements
    silences: SilenceStatements
    names: NameStatements
    orphans: OrphanStatements
    overview: OverviewStatements
    job_counts: str
    last_sweep: str


class QueryingReader(ABC):
    """The `Reader` of core.ports over an engine that runs statements; it serves one consumer at a time."""

    def __init__(self, name: str, statements: ReadStatements) -> None:
        """`name` is the database's, for errors."""
        self._name = name
        self._statements = statements
        self._has_queried = False  # since `wait_for_change` last returned

    async def jobs(self, account: str | None = None, statuses: Sequence[str] = (), limit: int = -1) -> list[dict[str, Any]]:
        """The jobs, active ones first, then the newest first; the BatchJob's properties and what the tracker adds."""
        return await self._readable("a job", self._read(jobs_active_first, self._statements.jobs, account, statuses, limit))

    async def jobs_by_prefix(self, prefix: str, account: str | None = None) -> list[dict[str, Any]]:
        """Up to 20 jobs whose id starts with `prefix`, of all accounts or one; those alone whose id it is, if there are any."""
        return await self._readable("a job", self._read(jobs_by_prefix, self._statements.jobs, prefix, account))

    async def jobs_by_id(self, job_id: str) -> list[dict[str, Any]]:
        """The jobs of that id, one for each account that has one."""
        return await self._readable("a job", self._read(jobs_by_id, self._statements.jobs, job_id))

    async def jobs_page(self, after: JobKey | None, filters: JobFilter, limit: int) -> JobPage:
        """Up to `limit` jobs behind `after`, the newest first."""
        return await self._readable("a job", self._read(read_jobs, self._statements.jobs, after, filters, limit))

    async def job_counts(self) -> dict[str, dict[str, int]]:
        """How many jobs the log knows, by account and status; "deleted" counts for one."""
        counts: dict[str, dict[str, int]] = {}
        for account, status, deleted, jobs in await self._query(self._statements.job_counts):
            of_account, name = counts.setdefault(account, {}), "deleted" if deleted else status
            of_account[name] = of_account.get(name, 0) + jobs
        return counts

    async def events(self, after: int, filters: EventFilter, limit: int = 500) -> list[tuple[int, str]]:
        """Up to `limit` events of the log after `seq`, in its order: seq and JSON; all of them where `limit` is negative."""
        return await self._readable("an event", self._read(read_log, self._statements.events, after, filters, limit))

    async def events_page(self, span: Span, filters: EventFilter, limit: int) -> EventPage:
        """Up to `limit` events of that part of the log."""
        return await self._readable("an event", self._read(read_events, self._statements.events, span, filters, limit))

    async def last_events(self, type_: str, jobs: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
        """The last event of this type of each of these jobs, by account and id."""
        return await self._readable("an event", self._read(last_events, self._statements.events, type_, jobs))

    async def last_seq(self) -> int:
        """The seq of the last event; 0 if there is none."""
        return await self._read(last_seq, self._statements.events)

    async def first_seq(self) -> int:
        """The seq of the first event that is kept; what came before is in segments."""
        return (await self._read(log_bounds, self._statements.events))[0]

    async def last_sweep(self) -> int | None:
        """When an account was last swept whole, to a few seconds (Unix milliseconds); None if none was."""
        found: int | None = (await self._query(self._statements.last_sweep))[0][0]
        return found

    async def deliveries(self, after: tuple[int, str], filters: DeliveryFilter, limit: int = 500) -> list[dict[str, Any]]:
        """Up to `limit` deliveries `after` that of a seq and a receiver, in the log's order, each with its attempts."""
        return await self._read(read_whole_pages, self._statements.deliveries, DeliveryKey(*after), filters, limit)

    async def deliveries_page(
        self, after: DeliveryKey | None, filters: DeliveryFilter, limit: int, *, newest_first: bool = False
    ) -> DeliveryPage:
        """Up to `limit` deliveries after that key, in the log's order or against it, each with its attempts."""
        return await self._read(read_deliveries, self._statements.deliveries, after, filters, limit, newest_first=newest_first)

    async def start_of_last_deliveries(self, number: int, filters: DeliveryFilter) -> DeliveryKey:
        """The key that the last `number` deliveries come after."""
        return await self._read(start_of_last, self._statements.deliveries, number, filters)

    async def circuits(self) -> dict[str, Circuit]:
        """How each receiver was when it was last settled, by its name."""
        return await self._read(read_circuits, self._statements.deliveries)

    async def backlog(self, receiver: str) -> Backlog:
        """What the receiver has not been sent."""
        return await self._read(read_backlog, self._statements.deliveries, receiver)

    async def last_error(self, receiver: str) -> dict[str, Any] | None:
        """The last attempt that failed, of the deliveries that are pending or dead; of many only the newest are read."""
        return await self._read(read_last_error, self._statements.deliveries, receiver)

    async def dead_counts(self) -> dict[str, int]:
        """How many deliveries are dead, by receiver."""
        return dict(await self._query(self._statements.deliveries.dead_counts))

    async def orphans(self, receivers: Iterable[str], accounts: Iterable[str]) -> Orphans:
        """What the database has of others than these receivers and accounts."""
        return await self._read(read_orphans, self._statements.orphans, receivers, accounts)

    async def names(self) -> Names:
        """The accounts, receivers and statuses that the log has."""
        return await self._read(read_names, self._statements.names)

    async def overview(self, now: int) -> Overview:
        """The figures of the overview at `now` (Unix milliseconds)."""
        statements = self._statements
        return await self._readable("a job", self._read(read_overview, statements.overview, statements.job_counts, now))

    async def results(self, account: str, job_id: str) -> dict[str, Any] | None:
        """What became of the result files of a job; None if there is neither a task nor an outcome."""
        return await self._readable(
            "an outcome of archiving", self._read(read_results, self._statements.results, account, job_id)
        )

    async def results_page(self, after: ResultsKey | None, account: str | None, since: int, limit: int) -> ResultsPage:
        """Up to `limit` outcomes after that key, of all accounts or one, archived `since` then, in order."""
        reading = self._read(read_results_page, self._statements.results, after, account, since, limit)
        return await self._readable("an outcome of archiving", reading)

    async def archive_backlogs(self) -> dict[str, ArchiveBacklog]:
        """The archive tasks that there are, by account."""
        return decode_backlogs(await self._query(self._statements.results.backlogs))

    async def silences(self, ended: int = 0) -> list[SilenceStatus]:
        """The open silences by their start, and the last `ended` of those that ended, the last one first."""
        return await self._readable("a silence", self._read(read_silences, self._statements.silences, ended))

    async def _query(self, sql: str, *parameters: Any) -> list[Any]:
        """The rows of a read that takes one query."""
        await self._before_query()
        return await self._run_query(sql, *parameters)

    async def _read(
        self,
        reading: Callable[Concatenate[Query, Parameters], Coroutine[Any, Any, Read]],
        *args: Parameters.args,
        **options: Parameters.kwargs,
    ) -> Read:
        """What a read that may take several queries returns, as of one moment."""
        await self._before_query()
        return await self._run_at_one_moment(lambda query: reading(query, *args, **options))

    async def _before_query(self) -> None:
        if not self._has_queried:
            await self._note_version()  # before the query: a commit during it ends `wait_for_change`
            self._has_queried = True

    async def _readable(self, what: str, reading: Awaitable[Read]) -> Read:
        try:
            return await reading
        except (ValueError, msgspec.MsgspecError) as error:
            raise StorageError(f"{self._name}: {what} that it holds cannot be read: {error}") from error

    @abstractmethod
    async def _note_version(self) -> None:
        """Remember which version of the database the next query reads at least."""

    @abstractmethod
    async def _run_query(self, sql: str, *parameters: Any) -> list[Any]: ...

    @abstractmethod
    async def _run_at_one_moment(self, reading: Callable[[Query], Coroutine[Any, Any, Read]]) -> Read:
        """Run `reading` with a query whose statements all see the database as it is at one moment."""
