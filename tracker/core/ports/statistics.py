"""Owns the Protocol of the store's figures, for the metrics."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from tracker.core.deliveries.circuit import Circuit
from tracker.core.queries.backlog import Backlog
from tracker.core.queries.kept_log import KeptLog
from tracker.core.results.archive_task import ArchiveBacklog
from tracker.core.silences.silence import Silence


class Statistics(Protocol):
    """The figures of the store, for a thread that may wait. A method raises the engine's own error where it cannot read."""

    def jobs(self) -> Iterable[tuple[str, str, bool, int]]:
        """Rows of account, status, whether the jobs are deleted, and how many jobs there are of these."""

    def backlogs(self) -> Mapping[str, Backlog]:
        """The backlog by receiver; one without any may be missing."""

    def circuits(self) -> Mapping[str, Circuit]:
        """The state of each receiver when it was last settled; one that never was is missing."""

    def archive_backlogs(self) -> Mapping[str, ArchiveBacklog]:
        """The archive tasks that there are, by account; one without any is missing."""

    def open_silences(self) -> Sequence[Silence]:
        """The silences that are not over."""

    def last_seq(self) -> int:
        """The seq of the last event; 0 if there is none."""

    def kept_log(self) -> KeptLog:
        """Where the kept log begins, and how much was moved out of it."""

    def sizes(self) -> tuple[int, int]:
        """Bytes of the database, and of the log that is written ahead of it."""

    def engine(self) -> tuple[str, bool]:
        """The engine's version, after its name where that is not SQLite; whether it has a known bug that `run` logs."""
