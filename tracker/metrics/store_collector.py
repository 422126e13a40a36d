"""Metrics of the store's content: read at each scrape, in the rendering thread, each part by itself."""

import platform
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily
from prometheus_client.registry import Collector

from tracker import __version__
from tracker.core.deliveries.circuit import Circuit
from tracker.core.events.event import parse_iso
from tracker.core.jobs.status import FOLLOWERS, is_recognized, is_terminal
from tracker.core.ports.statistics import Statistics
from tracker.core.queries.pages import Backlog
from tracker.metrics.families import PREFIX
from tracker.metrics.job_series import UNRECOGNIZED

DELETED: Final = "deleted"


class StoredMetrics:
    """The accounts and receivers that are configured, whatever else the store has; those it lacks are there at 0."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._accounts: tuple[str, ...] = ()
        self._receivers: tuple[str, ...] = ()

    def configured(self, accounts: Iterable[str], receivers: Iterable[str]) -> None:
        self._accounts, self._receivers = tuple(accounts), tuple(receivers)

    def render_jobs(self) -> bytes:
        return _rendered(*self._jobs())

    def render_backlogs(self) -> bytes:
        return _rendered(*self._backlogs())

    def render_receivers(self) -> bytes:
        return _rendered(*self._health())

    def render_database(self) -> bytes:
        return _rendered(*self._database())

    def render_build(self) -> bytes:
        return _rendered(self._build())

    def _jobs(self) -> Iterator[GaugeMetricFamily]:
        family = _gauge("jobs", "Jobs that the log knows.", "account", "status")
        counts = {(account, status): 0 for account in self._accounts for status in (*FOLLOWERS, UNRECOGNIZED, DELETED)}
        orphaned: dict[str, int] = {}
        for account, status, deleted, jobs in self._statistics.jobs():
            if account not in self._accounts and not deleted and not is_terminal(status):
                orphaned[account] = orphaned.get(account, 0) + jobs
            known = DELETED if deleted else status if is_recognized(status) else UNRECOGNIZED
            if (account, known) in counts:
                counts[account, known] += jobs
        for labels, jobs in counts.items():
            family.add_metric(labels, jobs)
        yield family
        left = _gauge(
            "orphaned_jobs", "Active jobs of an account that is not in the configuration: nothing follows them.", "account"
        )
        for account in sorted(account for account, jobs in orphaned.items() if jobs):
            left.add_metric([account], orphaned[account])
        yield left

    def _backlogs(self) -> Iterator[GaugeMetricFamily]:
        pending = _gauge("deliveries_pending", "Deliveries that have not ended.", "receiver")
        dead = _gauge("deliveries_dead", "Deliveries that were given up.", "receiver")
        oldest = _gauge(
            "oldest_pending_delivery_timestamp_seconds",
            "When the event of the oldest delivery that has not ended was observed; 0 where there is none.",
            "receiver",
        )
        found = self._statistics.backlogs()
        for receiver in self._receivers:
            backlog = found.get(receiver, Backlog(0, 0, None))
            pending.add_metric([receiver], backlog.pending)
            dead.add_metric([receiver], backlog.dead)
            oldest.add_metric(
                [receiver], 0 if backlog.oldest_pending_at is None else parse_iso(backlog.oldest_pending_at) / 1000
            )
        yield from (pending, dead, oldest, self._orphaned(found))

    def _orphaned(self, found: Mapping[str, Backlog]) -> GaugeMetricFamily:
        text = "Deliveries of a receiver that is not in the configuration: nothing sends them."
        family = _gauge("orphaned_deliveries", text, "receiver", "state")
        for receiver in sorted({*found} - {*self._receivers}):
            family.add_metric([receiver, "pending"], found[receiver].pending)
            family.add_metric([receiver, "dead"], found[receiver].dead)
        return family

    def _health(self) -> Iterator[GaugeMetricFamily]:
        failing = _gauge("receiver_failing", "Whether the receiver keeps failing, and is probed.", "receiver")
        disabled = _gauge("receiver_disabled", "Whether the receiver said that it is gone.", "receiver")
        found = self._statistics.circuits()
        for receiver in self._receivers:
            circuit = found.get(receiver, Circuit())
            failing.add_metric([receiver], circuit.is_open)
            disabled.add_metric([receiver], circuit.disabled)
        yield from (failing, disabled)

    def _database(self) -> Iterator[GaugeMetricFamily]:
        database, wal = self._statistics.sizes()
        values = (
            ("database_size_bytes", "Size of the database file.", database),
            ("wal_size_bytes", "Size of the write-ahead log beside it.", wal),
            ("last_seq", "The seq of the last event in the log.", self._statistics.last_seq()),
        )
        for name, text, value in values:
            yield GaugeMetricFamily(PREFIX + name, text, value)

    def _build(self) -> InfoMetricFamily:
        engine, affected = self._statistics.engine()
        about = {"version": __version__, "python": platform.python_version(), "sqlite": engine}
        about["sqlite_affected"] = "yes" if affected else "no"
        text = "What runs here; whether its SQLite has the WAL-reset bug, which one writer that checkpoints alone avoids."
        return InfoMetricFamily(f"{PREFIX}build", text, about)


class _Read(Collector):
    def __init__(self, families: Iterable[GaugeMetricFamily | InfoMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[GaugeMetricFamily | InfoMetricFamily]:
        return self._families


def _rendered(*families: GaugeMetricFamily | InfoMetricFamily) -> bytes:
    return generate_latest(_Read(families))


def _gauge(name: str, documentation: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(PREFIX + name, documentation, labels=labels)
