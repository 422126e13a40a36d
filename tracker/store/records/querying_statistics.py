"""Owns what both engines' figures for the metrics share: each is a few statements, read as of one moment."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from tracker.core.deliveries.circuit import Circuit
from tracker.core.queries.backlog import Backlog
from tracker.core.queries.kept_log import KeptLog
from tracker.core.results.archive_task import ArchiveBacklog
from tracker.core.silences.silence import Silence
from tracker.store.records.delivery_pages import DeliveryStatements, decode_circuits
from tracker.store.records.event_pages import EventStatements
from tracker.store.records.result_pages import ResultStatements, decode_backlogs
from tracker.store.records.silence_rows import decode_silences

_JOBS: Final = "SELECT account, status, deleted, jobs FROM job_counts"


class StatisticsStatements(NamedTuple):
    """The statements of an engine, and two of its own.

    `pending` gives the receiver, the number of its pending deliveries, and when the event of the oldest was observed;
    `kept_log` gives the values of `KeptLog`; `open_silences` gives the columns of `silence_rows`.
    """

    deliveries: DeliveryStatements
    events: EventStatements
    results: ResultStatements
    pending: str
    kept_log: str
    open_silences: str


class QueryingStatistics(ABC):
    """Those figures of the `Statistics` of core.ports that an engine's statements give."""

    def __init__(self, statements: StatisticsStatements) -> None:
        self._statements = statements

    @abstractmethod
    def _read(self, *selects: str) -> list[list[Any]]:
        """The rows of each, as of one moment."""

    def jobs(self) -> Iterable[tuple[str, str, bool, int]]:
        return [(account, status, bool(deleted), jobs) for account, status, deleted, jobs in self._read(_JOBS)[0]]

    def backlogs(self) -> dict[str, Backlog]:
        pending, dead = self._read(self._statements.pending, self._statements.deliveries.dead_counts)
        dead_counts = dict(dead)
        backlogs = {receiver: Backlog(0, number, None) for receiver, number in dead_counts.items()}
        for receiver, number, oldest in pending:
            backlogs[receiver] = Backlog(number, dead_counts.get(receiver, 0), oldest)
        return backlogs

    def circuits(self) -> dict[str, Circuit]:
        return decode_circuits(self._read(self._statements.deliveries.circuits)[0])

    def archive_backlogs(self) -> dict[str, ArchiveBacklog]:
        return decode_backlogs(self._read(self._statements.results.backlogs)[0])

    def open_silences(self) -> tuple[Silence, ...]:
        return decode_silences(self._read(self._statements.open_silences)[0])

    def kept_log(self) -> KeptLog:
        return KeptLog(*self._read(self._statements.kept_log)[0][0])

    def last_seq(self) -> int:
        return int(self._read(self._statements.events.last_seq)[0][0][0])
