"""The metrics: what the loops count, what is read at each scrape, and the page made of both."""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from tracker.core.events.event import Event
from tracker.core.jobs.job import Job
from tracker.core.ports.statistics import Statistics
from tracker.core.reconciliation.sweep_report import Report
from tracker.core.results.cost import Price
from tracker.metrics.accounts import AccountMetrics
from tracker.metrics.archive_backlog import ArchiveBacklogMetrics
from tracker.metrics.deliveries.deliveries import DeliveryMetrics
from tracker.metrics.deliveries.delivery_backlog import DeliveryBacklogMetrics
from tracker.metrics.deliveries.receiver_circuits import ReceiverCircuitMetrics
from tracker.metrics.deliveries.silences import ActiveSilenceMetrics, SilencedMetrics
from tracker.metrics.exposition import Exposition, Part
from tracker.metrics.jobs.active_jobs import ActiveJobs
from tracker.metrics.jobs.event_counts import EventMetrics
from tracker.metrics.jobs.job_counts import JobCountMetrics
from tracker.metrics.jobs.job_series import MOST_JOB_SERIES
from tracker.metrics.jobs.model_labels import ModelLabels
from tracker.metrics.jobs.pending_requests import PendingRequestMetrics
from tracker.metrics.process.build_info import BuildInfoMetrics
from tracker.metrics.process.config_reload import ConfigReloadMetrics
from tracker.metrics.process.database_size import DatabaseSizeMetrics
from tracker.metrics.process.process import ProcessMetrics
from tracker.metrics.process.storage import StorageMetrics
from tracker.metrics.process.trace_export import TraceExportMetrics
from tracker.metrics.replicas import ReplicaMetrics
from tracker.metrics.results import ResultMetrics
from tracker.metrics.vendor_webhooks import VendorWebhookMetrics
from tracker.runtime.clock import now

__all__ = ["ExportedElsewhere", "Metrics"]


class ExportedElsewhere(NamedTuple):
    """What other replicas export: these accounts and receivers, and perhaps the figures of the whole log."""

    accounts: Collection[str] = ()
    receivers: Collection[str] = ()
    log: bool = False


NOTHING: Final = ExportedElsewhere()


class Metrics:
    """Everything under the prefix `batchtracker_`. The loops count in their thread; `render` may run in another."""

    def __init__(self, statistics: Statistics | None = None, *, is_replica: bool = False, exports_traces: bool = False) -> None:
        """Without the store's `statistics` there are no series of its content. There are no accounts until `configured`.

        `is_replica` if other processes work on the same store, `exports_traces` if this one exports traces.
        """
        self._models = ModelLabels()
        self.accounts = AccountMetrics()
        self.changes = EventMetrics(self._models)
        self.active = ActiveJobs(self._models)
        self.pending = PendingRequestMetrics(self.active.snapshot_of)
        self.results = ResultMetrics(self._models)
        self.deliveries = DeliveryMetrics()
        self.silences = SilencedMetrics()
        self.vendor_webhooks = VendorWebhookMetrics()
        self.storage = StorageMetrics()
        self.configuration = ConfigReloadMetrics()
        self.replicas = ReplicaMetrics()
        self.traces = TraceExportMetrics()
        self._exposition = Exposition(
            {
                "accounts": self.accounts.collect,
                "changes": self.changes.collect,
                "active_jobs": self.active.render_series,
                "active_sums": self.active.collect_sums,
                "pending_requests": self.pending.collect,
                "results": self.results.collect,
                "attempts": self.deliveries.collect,
                "silenced": self.silences.collect,
                "hints": self.vendor_webhooks.collect,
                "storage": self.storage.collect,
                "configuration": self.configuration.collect,
                "process": ProcessMetrics().collect,
            }
        )
        if is_replica:
            self._exposition.add({"replicas": self.replicas.collect})
        if exports_traces:
            self._exposition.add({"traces": self.traces.collect})
        self._stored = _StoreMetrics(statistics) if statistics else None
        if self._stored:
            self._exposition.add(self._stored.parts())
        self.render = self._exposition.render

    def configured(  # noqa: PLR0913 - each is used as it is
        self,
        accounts: Mapping[str, float],
        receivers: Collection[str],
        max_job_series: int = MOST_JOB_SERIES,
        *,
        pending_limits: Mapping[str, int | None] | None = None,
        providers: Mapping[str, str] | None = None,
        prices: Iterable[Price] = (),
        elsewhere: ExportedElsewhere = NOTHING,
    ) -> None:
        """Have the series of these accounts (with their poll intervals, in seconds) and receivers from 0 on, and no others.

        `pending_limits` are how many requests of an account may be pending, `providers` the vendors of accounts, `prices` what
        the usage of models costs. Nothing is exported that is exported `elsewhere`.
        """
        self.accounts.configured(accounts, providers or {})
        self.changes.configured(accounts)
        self.active.configured(accounts, max_job_series)
        self.pending.configured(pending_limits or {})
        self.results.configured(accounts, prices)
        self.deliveries.configured(receivers)
        self.silences.configured({*receivers, *elsewhere.receivers})
        self._models.keep(accounts)
        if self._stored:
            self._stored.configured(accounts, receivers, elsewhere)

    def started(self, now: int) -> None:
        """The configuration of the start is in force since `now` (Unix milliseconds)."""
        self.configuration.started(now)

    def reloaded(self, now: int, *, ok: bool) -> None:
        """The configuration was read at `now` (Unix milliseconds), or could not be: then the one of before is in force."""
        self.configuration.reloaded(now, ok=ok)

    def swept(self, account: str, report: Report, now: int, seconds: float) -> None:
        """A sweep that took `seconds` ended at `now` (Unix milliseconds)."""
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
            self.results.has_model(account, model)


class _StoreMetrics:
    """The metrics that are read from the store at each scrape, in the thread that renders."""

    def __init__(self, statistics: Statistics) -> None:
        self._jobs = JobCountMetrics(statistics)
        self._backlog = DeliveryBacklogMetrics(statistics)
        self._archive = ArchiveBacklogMetrics(statistics)
        self._circuits = ReceiverCircuitMetrics(statistics)
        self._silences = ActiveSilenceMetrics(statistics, now)
        self._database = DatabaseSizeMetrics(statistics)
        self._build = BuildInfoMetrics(statistics)

    def parts(self) -> Mapping[str, Part]:
        return {
            "jobs": self._jobs.collect,
            "backlogs": self._backlog.collect,
            "archive": self._archive.collect,
            "receivers": self._circuits.collect,
            "silences": self._silences.collect,
            "database": self._database.collect,
            "build": self._build.collect,
        }

    def configured(self, accounts: Collection[str], receivers: Collection[str], elsewhere: ExportedElsewhere) -> None:
        self._jobs.configured(accounts, None if elsewhere.log else {*accounts, *elsewhere.accounts})
        self._archive.configured(accounts)
        self._backlog.configured(receivers, None if elsewhere.log else {*receivers, *elsewhere.receivers})
        self._circuits.configured(receivers)
        self._silences.configured(is_exported=not elsewhere.log)
        self._database.configured(is_exported=not elsewhere.log)
