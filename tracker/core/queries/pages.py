"""Owns pages: a piece of the log, of the jobs or of the deliveries, and the place from which to go on."""

from typing import Any, Final, NamedTuple

LARGEST_SEQ: Final = 2**63 - 1
"""SQLite's largest integer; nothing comes after."""


class Span(NamedTuple):
    """The part of the log between two seqs, without them; read from its end where `newest_first`."""

    after: int = 0
    before: int = LARGEST_SEQ
    newest_first: bool = False

    def rest(self, seq: int) -> "Span":
        """What is left once `seq` was read."""
        return self._replace(before=seq) if self.newest_first else self._replace(after=seq)


class EventPage(NamedTuple):
    """Events, each as seq and JSON, and the seq from which to go on in the same direction; None where nothing is left.

    It may hold fewer than asked for, even none, and yet there is more: a page costs no more than a bounded look.
    """

    events: list[tuple[int, str]]
    next: int | None


class JobKey(NamedTuple):
    """A job's place among all jobs, the newest first, or the last to end first; those of one second stand by account and id."""

    at: int
    account: str
    id: str


class JobPage(NamedTuple):
    """Jobs as JSON values, and the place after which to go on; None where nothing is left.

    It may hold fewer than asked for, even none, and yet there is more: a page costs no more than a bounded look.
    """

    jobs: list[dict[str, Any]]
    next: JobKey | None


class DeliveryKey(NamedTuple):
    """A delivery's place in the log's order."""

    seq: int
    receiver: str


class DeliveryPage(NamedTuple):
    """Deliveries as JSON values, and the place from which to go on in the same direction; None where nothing is left.

    It may hold fewer than asked for, even none, and yet there is more: a page costs no more than a bounded look.
    """

    deliveries: list[dict[str, Any]]
    next: DeliveryKey | None


class Backlog(NamedTuple):
    """The undelivered events of a receiver, pending and dead, and when the event of the oldest pending one was observed."""

    pending: int
    dead: int
    oldest_pending_at: str | None
