"""Owns the weekly maintenance window: on which days it begins at which time of which place, and how long it lasts.

Times are those of a wall clock. In the night in which clocks are put forward, the 02:30 that is left out is 03:30. In that in
which they are put back, a window begins at the first of two equal times, and ends at the second. A window with a
duration lasts that long by a stopwatch.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final

import msgspec

from tracker.core.silences.silence import Scope, Silence, silence_id

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

LONGEST_WINDOW: Final = 7 * 86_400
"""Seconds."""

_DAYS_AHEAD: Final = 8
"""How far ahead the next time is looked for: a weekly window has one within a week."""

CREATED_BY: Final = "maintenance"


class WeeklyWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A window that begins on `days` (0 is Monday) at `start`, and ends at the next `end`, or after `duration` (seconds)."""

    name: str
    scope: Scope
    days: tuple[int, ...]
    start: time
    zone: tzinfo
    end: time | None = None
    duration: float = 0.0

    def silences(self, now: int) -> Iterator[Silence]:
        """What is not over at `now` (Unix milliseconds), and the next time after that, in order."""
        today = datetime.fromtimestamp(now / 1000, self.zone).date()
        for offset in range(-_DAYS_AHEAD, _DAYS_AHEAD + 1):
            day = today + timedelta(days=offset)
            if day.weekday() not in self.days:
                continue
            starts_at, ends_at = self._span(datetime.combine(day, self.start, self.zone))
            if ends_at > now:
                yield self._silence(starts_at, ends_at)
            if starts_at > now:
                return

    def _span(self, start: datetime) -> tuple[int, int]:
        """Unix milliseconds."""
        starts_at = _milliseconds(start)
        if self.end is None:
            return starts_at, starts_at + round(self.duration * 1000)
        day = start.date() + timedelta(days=0 if self.end > self.start else 1)
        end = datetime.combine(day, self.end, self.zone)
        return starts_at, max(_milliseconds(end), _milliseconds(end.replace(fold=1)), starts_at + 1)

    def _silence(self, starts_at: int, ends_at: int) -> Silence:
        reason = f"maintenance window {self.name}"
        return Silence(
            id=silence_id(self.name, self.scope, starts_at, ends_at),
            scope=self.scope,
            reason=reason,
            starts_at=starts_at,
            ends_at=ends_at,
            created_at=starts_at,
            created_by=CREATED_BY,
            window=self.name,
        )


def planned_silences(windows: Iterable[WeeklyWindow], now: int) -> list[Silence]:
    """The silences of the windows at `now` (Unix milliseconds), and the next of each."""
    return [silence for window in windows for silence in window.silences(now)]


def _milliseconds(moment: datetime) -> int:
    return round(moment.astimezone(UTC).timestamp() * 1000)
