"""Owns the metrics of accounts: sweeps, requests, and whether an account is up or why it is failing."""

from collections.abc import Mapping
from typing import Final

from tracker.core.errors.provider_failure import Reason
from tracker.core.reconciliation.sweep_report import Report
from tracker.metrics.families import Families

CALLS: Final = ("list", "get", "file", "content")
CODES: Final = (
    *("200", "400", "401", "402", "403", "404", "408", "422", "429", "500", "502", "503", "504"),
    "other",
    "none",
)
"""HTTP statuses with a series of their own; "other" is the rest, "none" no answer."""

MOST_UNREADABLE: Final = 20
"""Jobs that have a series each for being unreadable."""

_SWEEP_BUCKETS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_REQUEST_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class AccountMetrics:
    """Counts only configured accounts."""

    def __init__(self) -> None:
        self._accounts: frozenset[str] = frozenset()
        self._providers: Mapping[str, str] = {}
        families = self._families = Families()
        self._info = families.gauge("account_info", "The account and the vendor whose API it is: 1.", "account", "provider")
        self._up = families.gauge("account_up", "Whether the last sweep was whole.", "account")
        self._failing = families.gauge("account_failing", "Why the last sweep failed, if it did: 1.", "account", "reason")
        self._sweeps = families.counter(
            "sweeps", "Sweeps by result: ok, partial (a part was unreadable), or what failed.", "account", "result"
        )
        self._took = families.histogram("sweep_duration_seconds", "How long a sweep took.", _SWEEP_BUCKETS, "account")
        self._swept_at = families.gauge("last_good_sweep_timestamp_seconds", "When a sweep was last whole.", "account")
        self._interval = families.gauge("sweep_interval_seconds", "The configured time between two sweeps.", "account")
        self._backoff = families.gauge(
            "sweep_backoff_seconds", "How long is waited since the last sweep failed; 0 where it did not.", "account"
        )
        self._requests = families.counter(
            "api_requests", "Requests to the API by call and HTTP status; none: no answer.", "account", "call", "code"
        )
        self._answered = families.histogram(
            "api_request_duration_seconds", "How long an answer took, or its absence.", _REQUEST_BUCKETS, "account", "call"
        )
        self._unreadable = families.gauge(
            "account_unreadable", "Jobs, by id or by their place in a list, that cannot be read while the rest can.", "account"
        )
        self._unreadable_jobs = families.gauge(
            "job_unreadable", f"Whether the job cannot be read: 1; at most {MOST_UNREADABLE} an account.", "account", "job"
        )
        self._clock_ahead = families.gauge(
            "account_clock_ahead_seconds",
            "By how much the provider's clock is ahead of ours; under 2 s counts as 0.",
            "account",
        )
        self._malformed = families.counter("malformed_jobs", "Jobs that could not be read.", "account")
        self._stale = families.counter("stale_answers", "Answers dropped since they lay behind what is known.", "account")
        self.collect = families.collect

    def configured(self, accounts: Mapping[str, float], providers: Mapping[str, str]) -> None:
        """Have series of exactly these accounts (with their poll intervals in seconds); those of new ones begin at 0.

        `providers` are the vendors of accounts.
        """
        before, self._accounts = self._accounts, frozenset(accounts)
        self._families.forget("account", before - self._accounts)
        for account in sorted(self._accounts - before):
            self._start_at_zero(account)
        for account, interval in accounts.items():
            self._interval.labels(account).set(interval)
        self._show_providers({account: providers[account] for account in accounts if account in providers})

    def answered(self, account: str, call: str, code: str, seconds: float) -> None:
        """A request was answered with this HTTP status, or `none`."""
        if account in self._accounts:
            self._requests.labels(account, call, code if code in CODES else "other").inc()
            self._answered.labels(account, call).observe(seconds)

    def swept(self, account: str, report: Report, now: int, seconds: float) -> None:
        """A sweep ended at `now` (Unix milliseconds)."""
        if account not in self._accounts:
            return
        reason = report.failure.reason if report.failure else None
        self._sweeps.labels(account, reason or ("partial" if report.unreadable else "ok")).inc()
        self._took.labels(account).observe(seconds)
        self._malformed.labels(account).inc(len(report.malformed))
        self._stale.labels(account).inc(max(report.stale, 0))
        self._up.labels(account).set(reason is None)
        for each in Reason:
            self._failing.labels(account, each).set(each is reason)
        self._set_unreadable(account, report)
        if report.clock_ahead is not None:
            self._clock_ahead.labels(account).set(report.clock_ahead)
        if reason is None:
            self._swept_at.labels(account).set(now / 1000)

    def _set_unreadable(self, account: str, report: Report) -> None:
        self._unreadable.labels(account).set(sum(each.jobs for each in report.unreadable))
        jobs = [each.job for each in report.unreadable if each.job is not None][:MOST_UNREADABLE]
        self._unreadable_jobs.remove_by_labels({"account": account})
        for job in jobs:
            self._unreadable_jobs.labels(account, job).set(1)

    def backs_off(self, account: str, seconds: float) -> None:
        """Seconds from the begin of a failed sweep to the next one; 0 after a sweep that did not fail."""
        if account in self._accounts:
            self._backoff.labels(account).set(seconds)

    def _show_providers(self, providers: Mapping[str, str]) -> None:
        before, self._providers = self._providers, providers
        for account, provider in sorted(before.items() - providers.items()):
            self._info.remove(account, provider)
        for account, provider in sorted(providers.items() - before.items()):
            self._info.labels(account, provider).set(1)

    def _start_at_zero(self, account: str) -> None:
        for family in (
            self._unreadable,
            self._clock_ahead,
            self._up,
            self._took,
            self._swept_at,
            self._backoff,
            self._malformed,
            self._stale,
        ):
            family.labels(account)
        for reason in Reason:
            self._failing.labels(account, reason)
        for result in ("ok", "partial", *Reason):
            self._sweeps.labels(account, result)
        for call in CALLS:
            self._answered.labels(account, call)
            for code in CODES:
                self._requests.labels(account, call, code)
