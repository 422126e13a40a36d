"""Owns the metrics: one registry of the daemon's own, every label set there from the start."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, disable_created_metrics, generate_latest

from tracker.core.event import ACCOUNT_TYPES, BATCH_TYPES, OVERDUE_TYPES, Event
from tracker.core.failure import Reason
from tracker.core.sweep import Report


class Metrics:
    """Counts what the loops do, under the prefix `batchtracker_`."""

    def __init__(self, accounts: Iterable[str]) -> None:
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
        for account in accounts:
            self._start_at_zero(account)

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
