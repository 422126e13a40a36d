"""Owns the chart of a job's progress: its SVG geometry, and the values."""

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from tracker.core.events.summary import format_duration

WIDTH: Final = 1000
HEIGHT: Final = 240
MOST_POINTS: Final = 240
TICKS: Final = 4
"""Steps of each axis."""


class Point(NamedTuple):
    """The counters at a time (Unix seconds)."""

    at: float
    total: int
    completed: int
    failed: int


class Chart(NamedTuple):
    """SVG paths (the attribute `d`) within WIDTH and HEIGHT, and the labels of the axes.

    The full height is the number of all requests. `forecast` is a line from the last point to the estimated end, "" without
    one. `points` are the drawn values.
    """

    completed: str
    area: str
    failed: str
    forecast: str
    times: tuple[str, ...]
    points: tuple[Point, ...]

    @property
    def grid(self) -> tuple[float, ...]:
        """The heights of the grid lines."""
        return tuple(HEIGHT * step / TICKS for step in range(TICKS + 1))

    @property
    def shares(self) -> tuple[int, ...]:
        """The labels of the grid lines, in percent."""
        return tuple(100 * step // TICKS for step in range(TICKS, -1, -1))


def chart(observed: Sequence[Point], began: float, ends: float | None = None) -> Chart | None:
    """Draw the `observed` points, in the order of the log, from `began` on, and the forecast until `ends`.

    The times may have any order: they come from two clocks, and either may be set back. None with fewer than two points at
    which the job had requests.
    """
    counted = _one_per_time(_with_ordered_times([point for point in observed if point.total]))
    if len(counted) < 2:
        return None
    drawn = thinned([Point(began, counted[0].total, 0, 0), *counted] if counted[0].at > began else counted, MOST_POINTS)
    last = drawn[-1]
    until, top = max(last.at, ends or 0), max(point.total for point in drawn)

    def place(at: float, value: float) -> str:
        x = (at - drawn[0].at) / (until - drawn[0].at) * WIDTH
        return f"{_short(x)} {_short(HEIGHT - min(value / top, 1) * HEIGHT)}"

    completed = _line(place(point.at, point.completed) for point in drawn)
    return Chart(
        completed=completed,
        area=f"{completed}L{place(last.at, 0)}L{place(drawn[0].at, 0)}Z",
        failed=_line(place(point.at, point.failed) for point in drawn) if last.failed else "",
        forecast=_line([place(last.at, last.completed), place(ends, last.total)]) if ends and ends > last.at else "",
        times=tuple(format_duration((until - drawn[0].at) * step / TICKS) for step in range(TICKS + 1)),
        points=drawn,
    )


def thinned(points: Sequence[Point], most: int) -> tuple[Point, ...]:
    """At most `most` of the points, evenly chosen, with the first and the last."""
    if len(points) <= most:
        return tuple(points)
    return tuple(points[round(step * (len(points) - 1) / (most - 1))] for step in range(most))


def _with_ordered_times(points: Sequence[Point]) -> list[Point]:
    """The points with non-decreasing times: a point that is later than the next one gets its time."""
    times = list(accumulate((point.at for point in reversed(points)), min))
    return [point._replace(at=at) for point, at in zip(points, reversed(times), strict=True)]


def _one_per_time(points: Sequence[Point]) -> list[Point]:
    """The last point of each time, so that times increase."""
    return [point for point, following in pairwise(points) if following.at > point.at] + list(points[-1:])


def _line(places: Iterable[str]) -> str:
    return "M" + "L".join(places)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
