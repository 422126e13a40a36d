"""Owns the metrics of durations: how long jobs were queued and ran, and how late their changes were observed."""

from collections.abc import Set as AbstractSet
from typing import Any, Final

from tracker.core.deliveries.trace_context import job_trace_id
from tracker.core.events.event import Event, parse_iso
from tracker.core.events.event_type_table import EVENT_TYPES
from tracker.core.jobs.job_reading import time_of
from tracker.metrics.families import Families

_MOMENT_OF: Final = {each.name: each.moment for each in EVENT_TYPES if each.moment}
"""By event type, the property with the provider's time of the event."""

_HOUR: Final = 3600
_JOB_BUCKETS: Final = (
    *(1, 10, 30, 60, 300, 900, 1800),
    *(hours * _HOUR for hours in (1, 2, 4, 8, 12, 24, 48, 96, 168)),
)
_LAG_BUCKETS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 900, _HOUR, 6 * _HOUR, 24 * _HOUR)


class JobDurations:
    """Histograms in `families`, of which the caller renders and forgets accounts. Exemplars have the trace of the job."""

    def __init__(self, families: Families) -> None:
        self._swept_whole: set[str] = set()  # accounts
        self._queued = families.histogram("job_queue_seconds", "From a job's creation to its start.", _JOB_BUCKETS, "account")
        self._ran = families.histogram("job_run_seconds", "From a job's start to its end.", _JOB_BUCKETS, "account")
        self._lag = families.histogram(
            "job_observation_lag_seconds", "From what happened, where the API says when, to its event.", _LAG_BUCKETS, "account"
        )

    def start_at_zero(self, account: str) -> None:
        for histogram in (self._queued, self._ran, self._lag):
            histogram.labels(account)

    def forget(self, accounts: AbstractSet[str]) -> None:
        self._swept_whole -= accounts

    def swept_whole(self, account: str) -> None:
        """From now on the lag of an event is measured: what happened before the first sweep could not be observed in time."""
        self._swept_whole.add(account)

    def measure(self, event: Event) -> None:
        """Observe the durations that end with this event of a job."""
        data, account = event.data, event.account
        trace = {"trace_id": job_trace_id(account, data["id"]).hex()}
        started_at, completed_at = time_of(data, "started_at"), time_of(data, "completed_at")
        if started_at is not None and _is_new(event, "started_at"):
            self._queued.labels(account).observe(max(started_at - data["created_at"], 0), trace)
        if completed_at is not None and started_at is not None and _is_new(event, "completed_at"):
            self._ran.labels(account).observe(max(completed_at - started_at, 0), trace)
        moment = time_of(data, _MOMENT_OF[event.type]) if event.type in _MOMENT_OF else None
        if moment is not None and account in self._swept_whole:
            self._lag.labels(account).observe(max(parse_iso(event.observed_at) / 1000 - moment, 0), trace)


def _is_new(event: Event, name: str) -> bool:
    """Whether this event is the first to have the property: it changed from nothing, or the job was never seen before."""
    was: Any = event.changes.get(name, (event.data[name], None))[0]
    first = event.type != "batch.created" and event.changes.get("status", ("", ""))[0] is None
    return first or was is None
