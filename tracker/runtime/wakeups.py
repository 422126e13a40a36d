"""Owns the wake-up signals within one process."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio

Dispatcher = Callable[[Iterator[Any]], bool]
"""As core.ports has it."""


class InProcessWakeups:
    """The `Wakeups` of core.ports for a store that this process alone writes to."""

    def __init__(self) -> None:
        self._deliveries_changed: dict[str, anyio.Event] = {}
        self._news = Counter[str]()  # by receiver
        self._news_of_all = 0
        self._dispatchers: dict[str, Dispatcher] = {}
        self._log_grown = anyio.Event()
        self._archive_changed = anyio.Event()

    def deliveries_changed(self, receiver: str) -> anyio.Event:
        return self._deliveries_changed.setdefault(receiver, anyio.Event())

    def deliveries_news(self, receiver: str) -> int:
        return self._news[receiver] + self._news_of_all

    def log_grown(self) -> anyio.Event:
        return self._log_grown

    def archive_changed(self) -> anyio.Event:
        return self._archive_changed

    @contextmanager
    def dispatch_to(self, receiver: str, dispatcher: Dispatcher) -> Iterator[None]:
        self._dispatchers[receiver] = dispatcher
        try:
            yield
        finally:
            if self._dispatchers.get(receiver) is dispatcher:  # else a successor has begun
                del self._dispatchers[receiver]

    def deliveries_added(self, receiver: str, new: Iterator[Any]) -> None:
        dispatcher = self._dispatchers.get(receiver)
        if dispatcher is None or not dispatcher(new):
            self.wake_deliverers([receiver])

    def wake_deliverers(self, receivers: Iterable[str]) -> None:
        for receiver in receivers:
            self._news[receiver] += 1
            self.attempts_changed(receiver)

    def wake_all_deliverers(self) -> None:
        self._news_of_all += 1
        for receiver in [*self._deliveries_changed]:
            self.attempts_changed(receiver)

    def attempts_changed(self, receiver: str) -> None:
        if waited_for := self._deliveries_changed.pop(receiver, None):
            waited_for.set()

    def wake_log_readers(self) -> None:
        self._log_grown.set()
        self._log_grown = anyio.Event()

    def wake_archivers(self) -> None:
        self._archive_changed.set()
        self._archive_changed = anyio.Event()
