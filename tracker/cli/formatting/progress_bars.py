"""Owns how jobs are shown with progress bars: a line each, with as much of it as the width takes."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tracker.cli.formatting import terminal, text
from tracker.core.events.summary import format_duration
from tracker.core.forecast.eta import History, eta, rate
from tracker.core.jobs.job import time_of
from tracker.core.jobs.status import is_terminal

WITH_TIMES: Final = 72
"""Columns from which on the rate is shown."""

WITH_MODELS: Final = 100
"""Columns from which on models are shown."""


class Line(NamedTuple):
    """A job as `jobs --json` has it, and how far it was when (for its rate)."""

    job: Mapping[str, Any]
    history: History = ()


def bars(lines: Iterable[Line], now: int, width: int) -> Table:
    """The lines at `now` (Unix milliseconds), for `width` columns."""
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    columns = _columns(width)
    for name in columns:
        right = name in ("rate", "time")
        grid.add_column(
            no_wrap=True, ratio=1 if name == "bar" else None, overflow="ellipsis", justify="right" if right else "left"
        )
    for line in lines:
        cells = _cells(line, now)
        grid.add_row(*(cells[name] for name in columns))
    return grid


def _columns(width: int) -> tuple[str, ...]:
    if width >= WITH_MODELS:
        return ("status", "job", "model", "bar", "progress", "rate", "time")
    if width >= WITH_TIMES:
        return ("status", "job", "bar", "progress", "rate", "time")
    return ("job", "bar", "progress", "time")


def _cells(line: Line, now: int) -> dict[str, RenderableType]:
    job = line.job
    history = () if is_terminal(job["status"]) else line.history
    ends_at, pace = eta(history, job["total_requests"]), rate(history, job["total_requests"])
    colour = text.colour(job)
    return {
        "status": terminal.status(job),
        "job": text.short_id(job),
        "model": text.plain(job["model"] or ""),
        "bar": ProgressBar(
            total=job["total_requests"] or 1,
            completed=job["completed_requests"],
            complete_style=colour,
            finished_style=colour,
        ),
        "progress": text.progress(job),
        "rate": Text("" if pace is None else text.rate(pace), style="dim"),
        "time": _time(job, ends_at, now),
    }


def _time(job: Mapping[str, Any], ends_at: int | None, now: int) -> Text:
    """What is left, where that can be said; else how long it has taken."""
    if ends_at is not None and ends_at > now:
        return Text(f"{format_duration((ends_at - now) / 1000)} left")
    ended_at = time_of(job, "completed_at") if is_terminal(job["status"]) else None
    until = ended_at or now / 1000
    return Text(format_duration(until - job["created_at"]), style="dim")
