"""Owns the estimated end of a job, from the observed rate of its completed requests.

A job's history is bounded: when it is full, every other sample is dropped, so that it always covers the whole time in coarser
steps. The rate is that of the newer half: it follows a job that slows down, and does not react to every pause.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec

from tracker.core.events.event import Event, iso, parse_iso
from tracker.core.events.job_diff import Change
from tracker.core.jobs.job import Job
from tracker.core.jobs.status import RUNNING

MOST_SAMPLES: Final = 16
"""Samples of a job; a hundred thousand jobs may be active."""

LEAST_SAMPLES: Final = 3
LEAST_TIME: Final = 60_000
"""Milliseconds."""

LEAST_SHARE: Final = 0.02
"""Of all requests."""

LATEST: Final = 253_402_300_799_000
"""Unix milliseconds, as far as ISO 8601 goes."""


class Sample(msgspec.Struct, frozen=True, gc=False):  # the smallest that there is
    """The number of completed requests at a time (Unix milliseconds)."""

    at: int
    completed: int


History = tuple[Sample, ...]
Histories = Mapping[str, History]


def extended(history: History, sample: Sample) -> History:
    """`history` with `sample`, without samples that contradict it: time and completed requests never decrease."""
    kept = tuple(each for each in history if each.at < sample.at and each.completed <= sample.completed)
    if len(kept) == MOST_SAMPLES:
        kept = kept[::2]
    return (*kept, sample)


def eta(history: History, total: int) -> int | None:
    """When all `total` requests will be completed (Unix milliseconds); None while there are too few samples."""
    if not history or history[-1].completed >= total:
        return None
    last = history[-1]
    first = _start(history, total)
    if first is None:
        return None
    ends_at = last.at + (total - last.completed) * (last.at - first.at) // (last.completed - first.completed)
    return ends_at if ends_at <= LATEST else None


def rate(history: History, total: int) -> float | None:
    """Requests per second, as used by the estimate; None while there are too few samples."""
    first = _start(history, total) if history else None
    if first is None:
        return None
    return (history[-1].completed - first.completed) * 1000 / (history[-1].at - first.at)


def with_etas(changes: Iterable[Change], histories: dict[str, History], now: int) -> list[Change]:
    """The changes, with an estimate in each progress event; adds their samples to `histories`.

    What has no event was seen at `now`.
    """
    return [_estimated(change, histories, now) for change in changes]


def _estimated(change: Change, histories: dict[str, History], now: int) -> Change:
    job = change.known.job
    if not change.known.active or job.status != RUNNING:
        histories.pop(job.id, None)
        return change
    at = parse_iso(change.events[-1].observed_at) if change.events else now
    history = histories[job.id] = extended(histories.get(job.id, ()), Sample(at, job.completed_requests))
    return _with_eta(change, eta(history, job.total_requests))


def _start(history: History, total: int) -> Sample | None:
    """The sample at which the rate begins: the first of the newer half if that is long enough, else the first of all."""
    middle = (history[0].at + history[-1].at) // 2
    newer = max(0, bisect_right(history, middle, key=lambda sample: sample.at) - 1)
    return next((history[start] for start in (newer, 0) if _is_enough(history[start:], total)), None)


def _is_enough(history: History, total: int) -> bool:
    time, done = history[-1].at - history[0].at, history[-1].completed - history[0].completed
    return len(history) >= LEAST_SAMPLES and time >= LEAST_TIME and done >= max(1, total * LEAST_SHARE)


def _with_eta(change: Change, ends_at: int | None) -> Change:
    if ends_at is None:
        return change
    return msgspec.structs.replace(change, events=tuple(_estimated_events(change.events, change.known.job, iso(ends_at))))


def _estimated_events(events: Iterable[Event], job: Job, at: str) -> Iterable[Event]:
    """The events, with the estimate only in those of the state `job`: a change may contain two observations."""
    for event in events:
        is_last = event.data["completed_requests"] == job.completed_requests
        yield msgspec.structs.replace(event, eta=at) if event.type == "batch.progress" and is_last else event
