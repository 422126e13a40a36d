"""Draws how cost grows with the number of active jobs: panels side by side, both axes logarithmic."""

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, floor, log10
from typing import NamedTuple

WIDTH, HEIGHT, LEFT, TOP, GAP = 220, 190, 64, 44, 84
INK, LINE, SHADE = "#57606a", "#0969da", "#8884"  # on white and on black

Points = Mapping[int, float]
"""What a number of jobs costs."""


class Panel(NamedTuple):
    """A panel: its title with the unit, and a line of each name."""

    title: str
    lines: Mapping[str, Points]


def drawing(panels: Sequence[Panel]) -> str:
    """An SVG."""
    width, height = LEFT + len(panels) * (WIDTH + GAP) - GAP + 24, TOP + HEIGHT + 44
    drawn = "\n".join("\n".join(_panel(panel, LEFT + index * (WIDTH + GAP))) for index, panel in enumerate(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="11" fill="{INK}">\n{drawn}\n</svg>\n'
    )


def _panel(panel: Panel, left: float) -> Iterator[str]:
    across = _Scale([jobs for points in panel.lines.values() for jobs in points], left, left + WIDTH)
    up = _Scale([cost for points in panel.lines.values() for cost in points.values()], TOP + HEIGHT, TOP)
    yield f'<text x="{left}" y="{TOP - 20}" font-size="13" font-weight="bold">{panel.title}</text>'
    for power in up.powers:
        yield f'<path d="M{left} {up.of(power):.1f}h{WIDTH}" stroke="{SHADE}"/>'
        yield f'<text x="{left - 6}" y="{up.of(power) + 4:.1f}" text-anchor="end">{power:,g}</text>'
    for power in across.powers:
        yield f'<path d="M{across.of(power):.1f} {TOP}v{HEIGHT}" stroke="{SHADE}"/>'
        yield f'<text x="{across.of(power):.1f}" y="{TOP + HEIGHT + 16}" text-anchor="middle">{power:,g}</text>'
    yield f'<text x="{left + WIDTH / 2}" y="{TOP + HEIGHT + 34}" text-anchor="middle">active jobs</text>'
    for index, (name, points) in enumerate(panel.lines.items()):
        yield from _line(name, [(across.of(jobs), up.of(cost)) for jobs, cost in points.items()], "" if index == 0 else "4 3")


def _line(name: str, places: Sequence[tuple[float, float]], dashes: str) -> Iterator[str]:
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    yield f'<path d="M{path}" fill="none" stroke="{LINE}" stroke-width="2" stroke-dasharray="{dashes}"/>'
    yield from (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{LINE}"/>' for x, y in places)
    x, y = places[-1]
    yield f'<text x="{x - 4:.1f}" y="{y - 8:.1f}" text-anchor="end">{name}</text>'


class _Scale:
    """From whole powers of ten around the values to places from `start` to `end`."""

    def __init__(self, values: Sequence[float], start: float, end: float) -> None:
        self._low, self._high = floor(log10(min(values))), max(ceil(log10(max(values))), floor(log10(min(values))) + 1)
        self._start, self._end = start, end

    @property
    def powers(self) -> list[float]:
        return [10.0**power for power in range(self._low, self._high + 1)]

    def of(self, value: float) -> float:
        return self._start + (log10(value) - self._low) / (self._high - self._low) * (self._end - self._start)
