"""Owns the formatting of numbers, times and durations on the pages."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from tracker.core.events.summary import format_duration
from tracker.core.jobs.job_reading import time_of
from tracker.core.jobs.status import is_terminal
from tracker.core.text.one_line import truncate

GRACE: Final = 2.0
"""Seconds by which a due time may be past before it is shown as overdue: it may be in progress, or not seen yet."""

UNKNOWN: Final = "\N{EN DASH}"
SEPARATOR: Final = "\N{NARROW NO-BREAK SPACE}"
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_COMMA: Final = re.compile(r"(?<=\d),(?=\d{3})")


def number(value: float) -> str:
    """12 345: digits in groups of three, without line breaks."""
    return f"{value:,}".replace(",", SEPARATOR)


def spaced(text: str) -> str:
    """The sentence with its numbers formatted likewise."""
    return _COMMA.sub(SEPARATOR, text)


def rate(per_second: float) -> str:
    """Requests in the largest unit of time that gives at least one."""
    for factor, unit in ((1, "s"), (60, "min"), (3600, "h")):
        if per_second * factor >= 1:
            many = per_second * factor
            return f"{number(round(many)) if many >= 10 else f'{many:.1f}'}/{unit}"
    return f"{per_second * 86400:.1f}/d"


def interval(seconds: float) -> str:
    """A duration, also one of less than a second."""
    return format_duration(seconds) if seconds >= 1 else f"{seconds * 1000:g} ms"


def percent(part: float, whole: float) -> int:
    """The share in whole percent; 100 only if nothing is missing."""
    return int(part * 100 // whole) if whole else 0


def moment(value: float | str) -> datetime:
    """A time as this package has them: Unix seconds, or ISO 8601."""
    return datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)


def relative(value: float | str, now: float) -> str:
    """How far a time is from `now` (Unix seconds): 3m 12s ago, in 5m. `static/relative_times.js` does the same."""
    distance = now - moment(value).timestamp()
    if abs(distance) < 1:
        return "now"
    words = format_duration(abs(distance))
    return f"{words} ago" if distance > 0 else f"in {words}"


def due(value: float | str, now: float) -> str:
    """How far a due time is from `now` (Unix seconds): in 5m, now, overdue by 5m. `static/relative_times.js` does the same."""
    late = now - moment(value).timestamp()
    if late < GRACE:
        return relative(value, now) if late < -1 else "now"
    return f"overdue by {format_duration(late)}"


def short_id(job_id: str) -> str:
    """The beginning of a UUID, which is enough to find the job; another ID is truncated if it is long."""
    return job_id[:8] if _UUID.fullmatch(job_id) else truncate(job_id, 18)


def absolute(value: float | str, now: float) -> str:
    """The time of day in UTC, with the date if it is not today."""
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
