"""Owns the Protocol of the wake-up signals: what waits for a commit is woken by it."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from tracker.core.deliveries.delivery import NewDelivery

Dispatcher = Callable[[Iterator[NewDelivery]], bool]
"""Called with what a commit has added for one receiver, in the log's order; whether it sends all of it at once.

It is called within the commit's task, and neither waits nor raises.
"""


class Signal(Protocol):
    """Something that happens once, as anyio's Event."""

    async def wait(self) -> object:
        """Return once it has happened."""


class Wakeups(Protocol):
    """Signals of commits. Take a signal before you read: what is committed after the read sets it."""

    def deliveries_changed(self, receiver: str) -> Signal:
        """Set by the next commit that touches a delivery of `receiver`, unless its dispatcher takes all that is new."""

    def deliveries_news(self, receiver: str) -> int:
        """A number that has grown when something of `receiver` may have become due, and its deliverer has to look."""

    def dispatch_to(self, receiver: str, dispatcher: Dispatcher) -> AbstractContextManager[None]:
        """While the context lasts, `dispatcher` is called with the new deliveries of `receiver` before its signal is set."""

    def deliveries_added(self, receiver: str, new: Iterator[NewDelivery]) -> None:
        """A commit has added deliveries: the dispatcher of `receiver` takes them, or its deliverer has to look for them.

        `new` makes each when it is asked for.
        """

    def log_grown(self) -> Signal:
        """Set by the next commit that logs an event."""

    def archive_changed(self) -> Signal:
        """Set by the next commit that makes an archive task."""

    def wake_deliverers(self, receivers: Iterable[str]) -> None:
        """Set the current signals of these receivers, whose deliverers have to look for what is due."""

    def wake_all_deliverers(self) -> None:
        """Set the current signals of all receivers, whose deliverers have to look for what is due."""

    def attempts_changed(self, receiver: str) -> None:
        """Set the current signal of `receiver`: attempts have ended or are settled, for which nothing else becomes due."""

    def wake_log_readers(self) -> None:
        """Set the current signal of the log's growth."""

    def wake_archivers(self) -> None:
        """Set the current signal of the archive."""
