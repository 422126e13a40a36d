"""Owns the forecast of a job: its deadline, its rate and its estimated end."""

from collections.abc import Mapping
from typing import Any

import msgspec

from tracker.core.events.event import iso
from tracker.core.events.time_limits import timeout_seconds
from tracker.core.forecast.eta import LATEST, History, eta, rate
from tracker.core.jobs.status import RUNNING, is_terminal


class Outlook(msgspec.Struct, frozen=True, kw_only=True):
    """`deadline_at` is Unix seconds, `rate` requests a second, `eta` ISO 8601; None if it is unknown."""

    deadline_at: int | None = None
    rate: float | None = None
    eta: str | None = None


def outlook(job: Mapping[str, Any], hours: float | None, history: History) -> Outlook:
    """The outlook of `job` (its JSON), by the time-out of its account in hours and what was seen of it so far."""
    if job["deleted"] or is_terminal(job["status"]):
        return Outlook()
    deadline_at = None if hours is None else _deadline(job, hours)
    if job["status"] != RUNNING:
        return Outlook(deadline_at=deadline_at)
    total = job["total_requests"]
    ends_at = eta(history, total)
    return Outlook(deadline_at=deadline_at, rate=rate(history, total), eta=None if ends_at is None else iso(ends_at))


def _deadline(job: Mapping[str, Any], hours: float) -> int | None:
    deadline_at: int = job["created_at"] + round(timeout_seconds(job, hours))
    return deadline_at if deadline_at * 1000 <= LATEST else None
