"""The metrics: what the loops count, what is read at each scrape, and the page made of both."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final

from tracker.core.events.event import Event
from tracker.core.jobs.job import Job
from tracker.core.ports.statistics import Statistics
from tracker.core.reconciliation.sweep_report import Report
from tracker.metrics.accounts import AccountMetrics
from tracker.metrics.active_jobs import ActiveJobs
from tracker.metrics.daemon import ConfigurationMetrics, ProcessMetrics, StorageMetrics
from tracker.metrics.deliveries import DeliveryMetrics
from tracker.metrics.event_counts import ChangeMetrics
from tracker.metrics.model_limit import Models
from tracker.metrics.page import Page
from tracker.metrics.store_collector import StoredMetrics

__all__ = ["MOST_JOB_SERIES", "Metrics"]

MOST_JOB_SERIES: Final = 1000
"""So many active jobs have series of their own, unless the configuration says otherwise."""


class Metrics:
    """Everything under the prefix `batchtracker_`. The loops tell it in the loop's thread, `render` may run in another."""

    def __init__(self, statistics: Statistics | None = None) -> None:
        """Without the store's `statistics` there are no series of its content. There are no accounts until `configured`."""
        self._models = Models()
        self.accounts = AccountMetrics()
        self.changes = ChangeMetrics(self._models)
        self.active = ActiveJobs(self._models)
        self.deliveries = DeliveryMetrics()
        self.storage = StorageMetrics()
        self.configuration = ConfigurationMetrics()
        self._stored = StoredMetrics(statistics) if statistics else None
        self._page = Page(
            {
                "accounts": self.accounts.render,
                "changes": self.changes.render,
                "active_jobs": self.active.render_series,
                "active_sums": self.active.render_sums,
                "attempts": self.deliveries.render,
                "storage": self.storage.render,
                "configuration": self.configuration.render,
                "process": ProcessMetrics().render,
            }
        )
        if self._stored:
            self._page.add(
                {
                    "jobs": self._stored.render_jobs,
                    "backlogs": self._stored.render_backlogs,
                    "receivers": self._stored.render_receivers,
                    "database": self._stored.render_database,
                    "build": self._stored.render_build,
                }
            )
        self.render = self._page.render

    def configured(
        self, accounts: Mapping[str, float], receivers: Collection[str], max_job_series: int = MOST_JOB_SERIES
    ) -> None:
        """Have the series of these accounts (with their poll intervals, in seconds) and receivers from 0 on, and no others."""
        self.accounts.configured(accounts)
        self.changes.configured(accounts)
        self.active.configured(accounts, max_job_series)
        self.deliveries.configured(receivers)
        self._models.keep(accounts)
        if self._stored:
            self._stored.configured(accounts, receivers)

    def started(self, now: int) -> None:
        """The configuration of the start is in force since `now` (Unix milliseconds)."""
        self.configuration.started(now)

    def reloaded(self, now: int, *, ok: bool) -> None:
        """The configuration was read at `now` (Unix milliseconds), or could not be: then the one of before is in force."""
        self.configuration.reloaded(now, ok=ok)

    def swept(self, account: str, report: Report, now: int, seconds: float) -> None:
        """A sweep of so many seconds ended at `now` (Unix milliseconds)."""
        self.accounts.swept(account, report, now, seconds)
        if report.failure is None:
            self.changes.swept_whole(account)

    def logged(self, event: Event, backfilled: bool = False) -> None:  # noqa: FBT001, FBT002 - as the log has it
        """The event is in the log."""
        self.changes.logged(event, backfilled)

    def has_active(self, account: str, jobs: Iterable[Job]) -> None:
        """The account has these active jobs: the counters of their models exist before they count."""
        for model in {job.model for job in jobs}:
            self.changes.has_model(account, model)
