"""Owns the metrics of the configuration: whether the last reload succeeded, and since when the configuration is in force."""

from tracker.metrics.families import Families


class ConfigReloadMetrics:
    """Counts reloads. Reading the configuration at the start counts as a success."""

    def __init__(self) -> None:
        families = Families()
        self._successful = families.gauge(
            "config_last_reload_successful", "Whether the configuration was read well when it last was."
        )
        self._succeeded_at = families.gauge(
            "config_last_reload_success_timestamp_seconds", "When the configuration in force was read: at the start or later."
        )
        self._reloads = families.counter("config_reloads", "Times that the configuration was read again.", "result")
        self._successful.set(1)
        for result in ("ok", "error"):
            self._reloads.labels(result)
        self.collect = families.collect

    def started(self, now: int) -> None:
        """`now` is in Unix milliseconds."""
        self._succeeded_at.set(now / 1000)

    def reloaded(self, now: int, *, ok: bool) -> None:
        """`now` is in Unix milliseconds."""
        self._reloads.labels("ok" if ok else "error").inc()
        self._successful.set(ok)
        if ok:
            self._succeeded_at.set(now / 1000)
