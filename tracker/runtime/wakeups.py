"""Owns the wake-up signals within one process."""

from collections.abc import Iterable

import anyio


class InProcessWakeups:
    """The `Wakeups` of core.ports for a store that this process alone writes to."""

    def __init__(self) -> None:
        self._deliveries_changed: dict[str, anyio.Event] = {}
        self._log_grown = anyio.Event()
        self._archive_changed = anyio.Event()

    def deliveries_changed(self, receiver: str) -> anyio.Event:
        return self._deliveries_changed.setdefault(receiver, anyio.Event())

    def log_grown(self) -> anyio.Event:
        return self._log_grown

    def archive_changed(self) -> anyio.Event:
        return self._archive_changed

    def wake_deliverers(self, receivers: Iterable[str]) -> None:
        for receiver in receivers:
            self._deliveries_changed.pop(receiver, anyio.Event()).set()

    def wake_all_deliverers(self) -> None:
        self.wake_deliverers([*self._deliveries_changed])

    def wake_log_readers(self) -> None:
        self._log_grown.set()
        self._log_grown = anyio.Event()

    def wake_archivers(self) -> None:
        self._archive_changed.set()
        self._archive_changed = anyio.Event()
