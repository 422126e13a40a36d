"""Owns what is counted of the daemon itself: whether it can write, its configuration, and the process."""

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest

from tracker.core.ports.store import DatabaseUse
from tracker.metrics.families import Families


class StorageMetrics:
    """Whether the store can be used, as it tells: a failure stands until a use that says as much goes well."""

    def __init__(self) -> None:
        families = Families()
        self._writable = families.gauge("storage_writable", "Whether the database could be written when that was last tried.")
        self._errors = families.counter("storage_errors", "Times that the database could not be opened, read or written.")
        self._writable.set(1)
        self._failed: DatabaseUse | None = None
        self.render = families.render

    def used(self, use: DatabaseUse, well: bool) -> None:  # noqa: FBT001 - a fact, not a mode
        if not well:
            self._errors.inc()
            self._failed = use if self._failed is None else max(use, self._failed)
        elif self._failed is not None and use >= self._failed:
            self._failed = None
        self._writable.set(self._failed is None)


class ConfigurationMetrics:
    """How the last reading of the configuration went; the one at the start counts as well as any."""

    def __init__(self) -> None:
        families = Families()
        self._well = families.gauge(
            "config_last_reload_successful", "Whether the configuration was read well when it last was."
        )
        self._at = families.gauge(
            "config_last_reload_success_timestamp_seconds", "When the configuration in force was read: at the start or later."
        )
        self._reloads = families.counter("config_reloads", "Times that the configuration was read again.", "result")
        self._well.set(1)
        for result in ("ok", "error"):
            self._reloads.labels(result)
        self.render = families.render

    def started(self, now: int) -> None:
        """Times are Unix milliseconds."""
        self._at.set(now / 1000)

    def reloaded(self, now: int, *, ok: bool) -> None:
        self._reloads.labels("ok" if ok else "error").inc()
        self._well.set(ok)
        if ok:
            self._at.set(now / 1000)


class ProcessMetrics:
    """What Prometheus's own client says of every process and interpreter."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self._registry)

    def render(self) -> bytes:
        return generate_latest(self._registry)
