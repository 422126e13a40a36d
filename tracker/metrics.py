"""Owns the metrics: one registry of the daemon's own, every label set there from the start."""

from collections.abc import Collection, Iterable, Mapping

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, generate_latest

from tracker.core.event import ACCOUNT_TYPES, BATCH_TYPES, OVERDUE_TYPES, Event
from tracker.core.failure import Reason
from tracker.core.sweep import Report


class Metrics:
    """Counts what the loops do, under the prefix `batchtracker_`."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self.requests = self._counter("api_requests", "Requests to the API by call and HTTP status.", "account", "call", "code")
        self._sweeps = self._counter("sweeps", "Sweeps over an account by result: ok, or what failed.", "account", "result")
        self._events = self._counter("events", "Events logged.", "account", "type")
        self._malformed = self._counter("malformed_jobs", "Jobs that could not be read.", "account")
        self._stale = self._counter("stale_answers", "Answers dropped since they lay behind what is known.", "account")
        self._swept_at = Gauge(
            "batchtracker_last_good_sweep_timestamp_seconds",
            "When a sweep was last whole.",
            ["account"],
            registry=self.registry,
        )
        self._reloads = self._counter("config_reloads", "Readings of the configuration after the start, by result.", "result")
        self._reload_ok = self._gauge("config_last_reload_successful", "Whether the configuration in force is the newest one.")
        self._reloaded_at = self._gauge("config_last_reload_success_timestamp_seconds", "When the configuration was last read.")
        self._accounts: set[str] = set()

    def configured(self, accounts: Mapping[str, float], receivers: Collection[str]) -> None:  # noqa: ARG002 - they have no series yet
        """Have the series of these accounts (with their poll intervals, in seconds) from 0 on, and those of no others."""
        for account in accounts.keys() - self._accounts:
            self._start_at_zero(account)
        for account in self._accounts - accounts.keys():
            self._forget(account)
        self._accounts = set(accounts)

    def reloaded(self, now: int, *, ok: bool) -> None:
        """The configuration was read at `now` (Unix milliseconds), or could not be."""
        self._reloads.labels("ok" if ok else "error").inc()
        self._reload_ok.set(ok)
        if ok:
            self._reloaded_at.set(now / 1000)

    def started(self, now: int) -> None:
        """The configuration of the start is in force."""
        for result in ("ok", "error"):
            self._reloads.labels(result)
        self._reload_ok.set(1)
        self._reloaded_at.set(now / 1000)

    def swept(self, account: str, report: Report, now: int) -> None:
        self._sweeps.labels(account, report.failure.reason if report.failure else "ok").inc()
        self._malformed.labels(account).inc(len(report.malformed))
        self._stale.labels(account).inc(report.stale)
        self.logged(report.events)
        if report.failure is None:
            self._swept_at.labels(account).set(now / 1000)

    def logged(self, events: Iterable[Event]) -> None:
        for event in events:
            self._events.labels(event.account, event.type).inc()

    def render(self) -> bytes:
        """The metrics in Prometheus's text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(f"batchtracker_{name}", documentation, labels, registry=self.registry)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(f"batchtracker_{name}", documentation, registry=self.registry)

    def _forget(self, account: str) -> None:
        for metric in (self.requests, self._sweeps, self._events, self._malformed, self._stale, self._swept_at):
            metric.remove_by_labels({"account": account})

    def _start_at_zero(self, account: str) -> None:
        for type_ in (*BATCH_TYPES, *OVERDUE_TYPES, *ACCOUNT_TYPES):
            self._events.labels(account, type_)
        for result in ("ok", *Reason):
            self._sweeps.labels(account, result)
        for call in ("list", "get"):
            self.requests.labels(account, call, "200")
        self._malformed.labels(account)
        self._stale.labels(account)
        self._swept_at.labels(account)
