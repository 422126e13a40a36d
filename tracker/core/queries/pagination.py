"""Owns pagination: pages of the log, the jobs or the deliveries, and the key after which the next page begins."""

from typing import Any, Final, NamedTuple

LARGEST_SEQ: Final = 2**63 - 1
"""SQLite's largest integer."""


class Span(NamedTuple):
    """The part of the log between two seqs, both excluded; read from its end if `newest_first`."""

    after: int = 0
    before: int = LARGEST_SEQ
    newest_first: bool = False

    def rest(self, seq: int) -> "Span":
        """The part that remains after `seq` was read."""
        return self._replace(before=seq) if self.newest_first else self._replace(after=seq)


class EventPage(NamedTuple):
    """Events, each as seq and JSON, and the seq after which the next page begins, in the same direction; None on the last page.

    It may have fewer events than the limit, even none, and still not be the last: the cost of a page is bounded.
    """

    events: list[tuple[int, str]]
    next: int | None


class JobKey(NamedTuple):
    """A job's position among all jobs, the newest first or the last to end first; within a second by account and ID."""

    at: int
    account: str
    id: str


class JobPage(NamedTuple):
    """Jobs as JSON values, and the key after which the next page begins; None on the last page.

    It may have fewer jobs than the limit, even none, and still not be the last: the cost of a page is bounded.
    """

    jobs: list[dict[str, Any]]
    next: JobKey | None


class DeliveryKey(NamedTuple):
    """A delivery's position in the order of the log."""

    seq: int
    receiver: str


class DeliveryPage(NamedTuple):
    """Deliveries as JSON values, and the key after which the next page begins, in the same direction; None on the last page.

    It may have fewer deliveries than the limit, even none, and still not be the last: the cost of a page is bounded.
    """

    deliveries: list[dict[str, Any]]
    next: DeliveryKey | None


class ResultsKey(NamedTuple):
    """The place of an outcome of archiving, the first one first: when it was (Unix milliseconds), account and job."""

    at: int
    account: str
    job: str


class ResultsPage(NamedTuple):
    """Outcomes of archiving as JSON values, and the place after which to go on; None if nothing is left."""

    results: list[dict[str, Any]]
    next: ResultsKey | None
