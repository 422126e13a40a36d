"""Owns the counters of the log: events, requests, and ended jobs by outcome.

Jobs that had ended before the account was first contacted count only as events.
"""

from collections.abc import Iterable
from typing import Final

from tracker.core.deliveries.trace_context import job_trace_id
from tracker.core.events.event import Event
from tracker.core.events.event_type_table import BATCH_TYPES, END_TYPES, EVENT_TYPES
from tracker.metrics.families import Families
from tracker.metrics.jobs.job_durations import JobDurations
from tracker.metrics.jobs.model_labels import ModelLabels

_KINDS: Final = {"completed": "come to an end", "succeeded": "succeeded", "failed": "failed"}

_ENDS: Final = {type_: type_.partition(".")[2] for type_ in END_TYPES if type_ != "batch.completed"}
OUTCOMES: Final = ("success", "partial", "all_failed", "empty", *_ENDS.values())
"""How a job can end: the outcome of a success, or another end."""

_BATCH_EVENTS: Final = frozenset(BATCH_TYPES)


class EventMetrics:
    """Counts each event once it is in the log. Those about no account have an empty label."""

    def __init__(self, models: ModelLabels) -> None:
        self._models = models
        self._accounts: frozenset[str] = frozenset()
        families = self._families = Families()
        self._events = families.counter("events", "Events logged.", "account", "type")
        self._requests = {
            f"{kind}_requests": families.counter(f"requests_{kind}", f"Requests seen to have {words}.", "account", "model")
            for kind, words in _KINDS.items()
        }
        self._ended = families.counter("ended_jobs", "Watched jobs that have ended, by outcome.", "account", "outcome")
        self._durations = JobDurations(families)
        self.collect = families.collect
        for type_ in EVENT_TYPES:
            if type_.subject not in {"batch", "account"}:
                self._events.labels("", type_.name)

    def configured(self, accounts: Iterable[str]) -> None:
        """Have series of exactly these accounts; those of new ones begin at 0."""
        before, self._accounts = self._accounts, frozenset(accounts)
        self._families.forget("account", before - self._accounts)
        self._durations.forget(before - self._accounts)
        for account in sorted(self._accounts - before):
            self._start_at_zero(account)

    def swept_whole(self, account: str) -> None:
        """The account was swept whole: see `JobDurations`."""
        self._durations.swept_whole(account)

    def has_model(self, account: str, model: str | None) -> None:
        """There is a job of the model: create its counters at 0."""
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
            self._durations.measure(event)
            outcome = _ENDS.get(event.type) or (event.outcome if isinstance(event.outcome, str) else None)
            if outcome:
                trace = {"trace_id": job_trace_id(event.account, event.data["id"]).hex()}
                self._ended.labels(event.account, outcome).inc(exemplar=trace)

    def _count_requests(self, event: Event) -> None:
        model = event.data.get("model")
        label = self._models.label(event.account, model if isinstance(model, str) else None)
        for name, counter in self._requests.items():
            is_, was = event.data[name], 0
            if event.type != "batch.created":
                was, is_ = event.changes.get(name, (0, 0))
            counter.labels(event.account, label).inc(max(is_ - was, 0))  # a counter that falls was counted before

    def _start_at_zero(self, account: str) -> None:
        for type_ in EVENT_TYPES:
            if type_.subject in {"batch", "account"}:
                self._events.labels(account, type_.name)
        for outcome in OUTCOMES:
            self._ended.labels(account, outcome)
        self._durations.start_at_zero(account)
