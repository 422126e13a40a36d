"""Owns the words of the pages: numbers, times and durations as text, and the sign, word and tone of each state."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from tracker.core.events.summary import format_duration
from tracker.core.events.types import EVENT_TYPES, TYPE_OF_STATUS
from tracker.core.jobs.job import time_of
from tracker.core.jobs.status import (
    CANCELLATION_REQUESTED,
    CANCELLED,
    FAILED,
    QUEUED,
    RUNNING,
    SUCCESS,
    TIMEOUT_EXCEEDED,
    is_terminal,
)
from tracker.core.text.one_line import truncate

GRACE: Final = 2.0
"""Seconds by which what is to come may be late before that is said: it is being done, or it is just not seen yet."""

UNKNOWN: Final = "\N{EN DASH}"
SEPARATOR: Final = "\N{NARROW NO-BREAK SPACE}"
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_COMMA: Final = re.compile(r"(?<=\d),(?=\d{3})")


class Sign(NamedTuple):
    """How a state is shown: an icon of `icons.html`, a word, and a tone of `page.css`; never by the tone alone."""

    icon: str
    word: str
    tone: str


_SIGNS: Final[Mapping[str, Sign]] = {
    QUEUED: Sign("queued", "queued", "mute"),
    RUNNING: Sign("running", "running", "run"),
    CANCELLATION_REQUESTED: Sign("cancelling", "cancelling", "warn"),
    SUCCESS: Sign("ok", "succeeded", "ok"),
    FAILED: Sign("failed", "failed", "bad"),
    TIMEOUT_EXCEEDED: Sign("expired", "out of time", "bad"),
    CANCELLED: Sign("cancelled", "cancelled", "mute"),
}
_OUTCOMES: Final[Mapping[str, Sign]] = {
    "success": _SIGNS[SUCCESS],
    "partial": Sign("partial", "partial", "warn"),
    "all_failed": Sign("failed", "all failed", "bad"),
    "empty": Sign("ok", "empty", "mute"),
}
_EVENTS: Final = {each.name: Sign(each.icon, each.label, each.tone) for each in EVENT_TYPES}
_STATES: Final[Mapping[str, Sign]] = {
    "pending": Sign("queued", "pending", "run"),
    "delivered": Sign("ok", "delivered", "ok"),
    "dead": Sign("failed", "dead", "bad"),
    "superseded": Sign("cancelled", "superseded", "mute"),
    "ok": Sign("ok", "delivering", "ok"),
    "failing": Sign("alert", "failing", "bad"),
    "disabled": Sign("cancelled", "disabled", "bad"),
}


def sign_of_status(status: str) -> Sign:
    if known := _SIGNS.get(status):
        return known
    reached = TYPE_OF_STATUS.get(status)
    return _EVENTS[reached.name] if reached else Sign("unknown", status, "warn")


def sign_of_job(job: Mapping[str, Any]) -> Sign:
    """A SUCCESS is only as good as its requests; a job that is gone shows nothing else."""
    if job.get("deleted"):
        return _EVENTS["batch.deleted"]
    return _OUTCOMES.get(job.get("outcome") or "") or sign_of_status(job["status"])


def sign_of_event(event: Mapping[str, Any]) -> Sign:
    known = _EVENTS.get(event["type"]) or Sign("unknown", event["type"], "mute")
    outcome = _OUTCOMES.get(event.get("outcome") or "")
    return known._replace(icon=outcome.icon, tone=outcome.tone) if outcome else known


def sign_of_state(state: str) -> Sign:
    """Of a delivery, or of a receiver."""
    return _STATES.get(state) or Sign("unknown", state, "mute")


def number(value: float) -> str:
    """12 345: in groups of three, held together."""
    return f"{value:,}".replace(",", SEPARATOR)


def spaced(text: str) -> str:
    """The numbers of a sentence in the same manner."""
    return _COMMA.sub(SEPARATOR, text)


def rate(per_second: float) -> str:
    """Requests in the unit of time in which there are some."""
    for factor, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if per_second * factor >= 1:
            many = per_second * factor
            return f"{number(round(many)) if many >= 10 else f'{many:.1f}'}/{unit}"
    return f"{per_second * 86400:.1f}/d"


def interval(seconds: float) -> str:
    """A duration, also one of less than a second."""
    return format_duration(seconds) if seconds >= 1 else f"{seconds * 1000:g} ms"


def percent(part: float, whole: float) -> int:
    """The share in whole percent; 100 only where nothing is missing."""
    return int(part * 100 // whole) if whole else 0


def moment(value: float | str) -> datetime:
    """A time as this package has them: Unix seconds, or ISO 8601."""
    return datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)


def relative(value: float | str, now: float) -> str:
    """How far a time is from `now` (Unix seconds): 3m 12s ago, in 5m. `static/clock.js` says the same."""
    distance = now - moment(value).timestamp()
    if abs(distance) < 1:
        return "now"
    words = format_duration(abs(distance))
    return f"{words} ago" if distance > 0 else f"in {words}"


def due(value: float | str, now: float) -> str:
    """How far what is to come is from `now` (Unix seconds): in 5m, now, overdue by 5m. `static/clock.js` says the same."""
    late = now - moment(value).timestamp()
    if late < GRACE:
        return relative(value, now) if late < -1 else "now"
    return f"overdue by {format_duration(late)}"


def short_id(job_id: str) -> str:
    """The beginning of a UUID, which is enough to know it by, and to find the job; any other ID is cut where it is long."""
    return job_id[:8] if _UUID.fullmatch(job_id) else truncate(job_id, 18)


def absolute(value: float | str, now: float) -> str:
    """The time of day in UTC, and the date too where that is another day's."""
    at, today = moment(value), moment(now)
    if at.date() == today.date():
        return f"{at:%H:%M:%S} UTC"
    return f"{at.day} {at:%b %H:%M} UTC" if at.year == today.year else f"{at:%Y-%m-%d %H:%M} UTC"


def machine(value: float | str) -> str:
    """As the `datetime` of a <time>."""
    return moment(value).astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def duration(job: Mapping[str, Any], now: float) -> str:
    """From a job's creation to its end, or to `now` (Unix seconds)."""
    end = time_of(job, "completed_at") or (moment(job["observed_at"]).timestamp() if is_terminal(job["status"]) else now)
    return format_duration(max(0, end - job["created_at"]))
