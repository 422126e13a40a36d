"""Owns what is counted of the log: events, requests, ends of jobs, and how long they waited, ran, and were not noticed.

What was over before the account was first contacted counts as events alone.
"""

from collections.abc import Iterable
from typing import Any, Final

from tracker.core.events.event import Event, parse_iso
from tracker.core.events.types import BATCH_TYPES, END_TYPES, EVENT_TYPES, RECEIVER_TYPES
from tracker.core.jobs.job import time_of
from tracker.metrics.families import Families
from tracker.metrics.model_limit import Models

_KINDS: Final = {"completed": "come to an end", "succeeded": "succeeded", "failed": "failed"}

_ENDS: Final = {type_: type_.partition(".")[2] for type_ in END_TYPES if type_ != "batch.completed"}
OUTCOMES: Final = ("success", "partial", "all_failed", "empty", *_ENDS.values())
"""How a job can end: what its success is worth, or what came instead of one."""

_MOMENT_OF: Final = {each.name: each.moment for each in EVENT_TYPES if each.moment}
"""Where the provider says when an event of the type happened."""

_HOUR: Final = 3600
_JOB_BUCKETS: Final = (
    *(1, 10, 30, 60, 300, 900, 1800),
    *(hours * _HOUR for hours in (1, 2, 4, 8, 12, 24, 48, 96, 168)),
)
_LAG_BUCKETS: Final = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 900, _HOUR, 6 * _HOUR, 24 * _HOUR)


class ChangeMetrics:
    """Counts each event once it is in the log. Events about receivers have no account; its label is empty."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._accounts: frozenset[str] = frozenset()
        self._whole: set[str] = set()  # accounts that were swept whole
        families = self._families = Families()
        self._events = families.counter("events", "Events logged.", "account", "type")
        self._requests = {
            f"{kind}_requests": families.counter(f"requests_{kind}", f"Requests seen to have {words}.", "account", "model")
            for kind, words in _KINDS.items()
        }
        self._ended = families.counter(
            "ended_jobs", "Jobs that ended since they are watched, by what came of them.", "account", "outcome"
        )
        self._queued = families.histogram("job_queue_seconds", "From a job's creation to its start.", _JOB_BUCKETS, "account")
        self._ran = families.histogram("job_run_seconds", "From a job's start to its end.", _JOB_BUCKETS, "account")
        self._lag = families.histogram(
            "job_observation_lag_seconds", "From what happened, where the API says when, to its event.", _LAG_BUCKETS, "account"
        )
        self.render = families.render
        for type_ in RECEIVER_TYPES:
            self._events.labels("", type_)

    def configured(self, accounts: Iterable[str]) -> None:
        """Have the series of these accounts, at 0 where they are new, and no others."""
        before, self._accounts = self._accounts, frozenset(accounts)
        for gone in before - self._accounts:
            self._families.forget("account", gone)
            self._whole.discard(gone)
        for account in sorted(self._accounts - before):
            self._start_at_zero(account)

    def swept_whole(self, account: str) -> None:
        """From now on an event's lag measures the tracker: what happened before could not be noticed."""
        self._whole.add(account)

    def has_model(self, account: str, model: str | None) -> None:
        """There is a job of the model: its counters exist before they count."""
        if account in self._accounts:
            label = self._models.label(account, model)
            for counter in self._requests.values():
                counter.labels(account, label)

    def logged(self, event: Event, backfilled: bool = False) -> None:  # noqa: FBT001, FBT002 - as the log has it
        if event.account and event.account not in self._accounts:
            return
        self._events.labels(event.account, event.type).inc()
        if event.type in _BATCH_EVENTS and not backfilled:
            self._count_requests(event)
            self._measure(event)
            outcome = _ENDS.get(event.type) or (event.outcome if isinstance(event.outcome, str) else None)
            if outcome:
                self._ended.labels(event.account, outcome).inc()

    def _count_requests(self, event: Event) -> None:
        model = event.data.get("model")
        label = self._models.label(event.account, model if isinstance(model, str) else None)
        for name, counter in self._requests.items():
            is_, was = event.data[name], 0
            if event.type != "batch.created":
                was, is_ = event.changes.get(name, (0, 0))
            counter.labels(event.account, label).inc(max(is_ - was, 0))  # what is taken back has been counted

    def _measure(self, event: Event) -> None:
        data, account = event.data, event.account
        started_at, completed_at = time_of(data, "started_at"), time_of(data, "completed_at")
        if started_at is not None and _is_new(event, "started_at"):
            self._queued.labels(account).observe(max(started_at - data["created_at"], 0))
        if completed_at is not None and started_at is not None and _is_new(event, "completed_at"):
            self._ran.labels(account).observe(max(completed_at - started_at, 0))
        moment = time_of(data, _MOMENT_OF[event.type]) if event.type in _MOMENT_OF else None
        if moment is not None and account in self._whole:
            self._lag.labels(account).observe(max(parse_iso(event.observed_at) / 1000 - moment, 0))

    def _start_at_zero(self, account: str) -> None:
        for type_ in EVENT_TYPES:
            if type_.subject != "receiver":
                self._events.labels(account, type_.name)
        for outcome in OUTCOMES:
            self._ended.labels(account, outcome)
        for histogram in (self._queued, self._ran, self._lag):
            histogram.labels(account)


_BATCH_EVENTS: Final = frozenset(BATCH_TYPES)


def _is_new(event: Event, name: str) -> bool:
    """Whether this event is the first to have the property: it changed from nothing, or the job was never seen before."""
    was: Any = event.changes.get(name, (event.data[name], None))[0]
    first = event.type != "batch.created" and event.changes.get("status", ("", ""))[0] is None
    return first or was is None
