"""Owns the figures of the database for the metrics: a few counts, each as of one moment, over a connection of their own."""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, TypeVar

from tracker.core.errors.storage_error import StorageError
from tracker.store.address import PostgresAddress
from tracker.store.postgres.loop_thread import LoopThread
from tracker.store.postgres.reading.delivery_statements import DELIVERIES
from tracker.store.postgres.reading.event_statements import EVENTS
from tracker.store.postgres.reading.read_connection import ReadConnection
from tracker.store.postgres.reading.statements import ALL_OPEN, RESULTS
from tracker.store.postgres.server_clock import boot_time
from tracker.store.records.query import Query
from tracker.store.records.querying_statistics import QueryingStatistics, StatisticsStatements

T = TypeVar("T")

_PENDING: Final = """SELECT receiver, pending, observed_at FROM
  (SELECT receiver, count(*) AS pending, min(seq) AS seq FROM deliveries WHERE state = 'pending' GROUP BY receiver) AS b
JOIN events USING (seq)"""

_KEPT_LOG: Final = "SELECT 1, (SELECT observed_at FROM events WHERE seq = 1), 0"
"""All events are kept."""

_STATEMENTS: Final = StatisticsStatements(
    deliveries=DELIVERIES, events=EVENTS, results=RESULTS, pending=_PENDING, kept_log=_KEPT_LOG, open_silences=ALL_OPEN
)

_SIZE: Final = """SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'p', 'm', 'S')"""

_MAY_SEE_WAL: Final = "SELECT has_function_privilege('pg_ls_waldir()', 'EXECUTE')"

_WAL_SIZE: Final = "SELECT coalesce(sum(size), 0)::bigint FROM pg_ls_waldir()"

_VERSION: Final = "SELECT current_setting('server_version')"


class PostgresStatistics(QueryingStatistics):
    """The `Statistics` of core.ports on PostgreSQL; a method raises `StorageError` where the server cannot be read.

    The size ahead is that of the server's whole write-ahead log; 0 where the role has no right to see it (`pg_monitor`).

    While a server does not answer, a scrape waits for it once and not for each figure: after a reading that took long to fail,
    others fail at once for as long.
    """

    def __init__(self, address: PostgresAddress, clock: Callable[[], float] = boot_time) -> None:
        """`clock` gives seconds of a clock that never jumps."""
        super().__init__(_STATEMENTS)
        self._clock = clock
        self._failure: tuple[str, float] | None = None  # and until when others fail with it
        self._connection = ReadConnection(address)
        self._thread = LoopThread(self._connection.close)

    def sizes(self) -> tuple[int, int]:
        return self._run(_read_sizes)

    def engine(self) -> tuple[str, bool]:
        return f"PostgreSQL {self._read(_VERSION)[0][0][0]}", False

    def _read(self, *selects: str) -> list[list[Any]]:
        return self._run(lambda query: _read_each(query, selects))

    def _run(self, reading: Callable[[Query], Coroutine[Any, Any, T]]) -> T:
        began = self._clock()
        if self._failure and began < self._failure[1]:
            raise StorageError(self._failure[0])
        try:
            return self._thread.run(lambda: self._connection.read_at_one_moment(reading))
        except StorageError as error:
            ended = self._clock()
            self._failure = str(error), ended + (ended - began)
            raise


async def _read_each(query: Query, selects: Iterable[str]) -> list[list[Any]]:
    return [await query(select) for select in selects]


async def _read_sizes(query: Query) -> tuple[int, int]:
    size: int = (await query(_SIZE))[0][0]
    may_see_wal = (await query(_MAY_SEE_WAL))[0][0]
    return size, (await query(_WAL_SIZE))[0][0] if may_see_wal else 0
