"""Owns the folding of a job's timeline: consecutive progress events become one step."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, Final, NamedTuple

from tracker.core.events.summary import format_duration

PROGRESS: Final = "batch.progress"

Event = Mapping[str, Any]


class Step(NamedTuple):
    """An event, or several progress events in a row; `gap` is the seconds since the step before, 0 for the first."""

    events: Sequence[Event]
    gap: float

    @property
    def first(self) -> Event:
        return self.events[0]

    @property
    def last(self) -> Event:
        return self.events[-1]

    @property
    def times(self) -> int:
        return len(self.events)


def steps(events: Iterable[Event]) -> list[Step]:
    """The events of one job, in the order of the log."""
    found: list[Step] = []
    for _, group in groupby(events, key=_group_key):
        together = list(group)
        found.append(Step(together, seconds_between(found[-1].last, together[0]) if found else 0.0))
    return found


def progress_words(step: Step) -> str:
    """What several progress events say together: 100 to 400 of 1,000 requests, in 29s."""
    now, first = step.last["data"], step.first
    before = first["changes"].get("completed_requests", (first["data"]["completed_requests"],))[0] or 0
    took = format_duration(seconds_between(first, step.last))
    return f"{before:,} to {now['completed_requests']:,} of {now['total_requests']:,} requests, in {took}"


def seconds_between(before: Event, after: Event) -> float:
    """Seconds between the observations of two events."""
    observed = (datetime.fromisoformat(event["observed_at"]) for event in (before, after))
    first, last = observed
    return (last - first).total_seconds()


def _group_key(event: Event) -> Any:
    """Neighbors with the same key become one step."""
    return PROGRESS if event["type"] == PROGRESS else event["seq"]


def is_cut(events: Sequence[Event], first_seq: int) -> bool:
    """Whether the job of these events has earlier ones before the kept log, which begins with `first_seq`."""
    return first_seq > 1 and (not events or events[0]["type"] != "batch.created")
