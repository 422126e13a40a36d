"""Owns the metrics of the storage: whether the database can be written, and how often it failed."""

from tracker.core.ports.store import DatabaseUse
from tracker.metrics.families import Families


class StorageMetrics:
    """Counts failed uses of the database. A failure ends with a successful use of at least the same kind."""

    def __init__(self) -> None:
        families = Families()
        self._writable = families.gauge("storage_writable", "Whether the database could be written when that was last tried.")
        self._errors = families.counter("storage_errors", "Times that the database could not be opened, read or written.")
        self._writable.set(1)
        self._failed: DatabaseUse | None = None
        self.collect = families.collect

    def used(self, use: DatabaseUse, succeeded: bool) -> None:  # noqa: FBT001 - see `UseObserver`
        if not succeeded:
            self._errors.inc()
            self._failed = use if self._failed is None else max(use, self._failed)
        elif self._failed is not None and use >= self._failed:
            self._failed = None
        self._writable.set(self._failed is None)
