"""Owns the chart of a job's progress: its geometry, as a page draws it, and the figures behind it."""

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Final, NamedTuple

from tracker.core.events.summary import format_duration

WIDTH: Final = 1000
HEIGHT: Final = 240
MOST_POINTS: Final = 240
TICKS: Final = 4
"""Steps of either axis."""


class Point(NamedTuple):
    """The counters at a moment (Unix seconds)."""

    at: float
    total: int
    completed: int
    failed: int


class Chart(NamedTuple):
    """Lines as the `d` of an SVG path within WIDTH and HEIGHT, and what stands at the axes.

    The height is all requests. `forecast` goes from the last point to the end that is expected; it is empty where none is.
    `points` are the figures that are drawn.
    """

    completed: str
    area: str
    failed: str
    forecast: str
    times: tuple[str, ...]
    points: tuple[Point, ...]

    @property
    def grid(self) -> tuple[float, ...]:
        """Where the lines across stand."""
        return tuple(HEIGHT * step / TICKS for step in range(TICKS + 1))

    @property
    def shares(self) -> tuple[int, ...]:
        """What they stand for, in percent."""
        return tuple(100 * step // TICKS for step in range(TICKS, -1, -1))


def chart(observed: Sequence[Point], began: float, ends: float | None = None) -> Chart | None:
    """Draw what was `observed`, in the order of the log, from `began` on, and what is to come by `ends`.

    The times may have any order: they come from two clocks, and either may be set back. None where there is nothing to see: it
    takes two moments at which the job had requests.
    """
    counted = _one_each(_in_time([point for point in observed if point.total]))
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
    """At most `most` of them, evenly chosen, the first and the last included."""
    if len(points) <= most:
        return tuple(points)
    return tuple(points[round(step * (len(points) - 1) / (most - 1))] for step in range(most))


def _in_time(points: Sequence[Point]) -> list[Point]:
    """None of them later than the next: what was observed after an end, by the clock of that end, happened before it."""
    times = list(accumulate((point.at for point in reversed(points)), min))
    return [point._replace(at=at) for point, at in zip(points, reversed(times), strict=True)]


def _one_each(points: Sequence[Point]) -> list[Point]:
    """The last of those of one moment, so that time goes on from each to the next."""
    return [point for point, following in pairwise(points) if following.at > point.at] + list(points[-1:])


def _line(places: Iterable[str]) -> str:
    return "M" + "L".join(places)


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")
