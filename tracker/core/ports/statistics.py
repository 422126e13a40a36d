"""Owns the Protocol of the store's figures, for the metrics."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from tracker.core.deliveries.circuit import Circuit
from tracker.core.queries.pages import Backlog


class Statistics(Protocol):
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
