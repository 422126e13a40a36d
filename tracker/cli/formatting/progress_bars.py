"""Owns job lines with progress bars, with as many columns as fit the width."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from rich.console import RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tracker.cli.formatting import colored_text, job_description, quantities
from tracker.core.events.summary import format_duration
from tracker.core.forecast.eta import History, eta, rate
from tracker.core.jobs.job_reading import time_of
from tracker.core.jobs.native import provider_of
from tracker.core.jobs.status import is_terminal
from tracker.core.text.escaping import plain

WITH_TIMES: Final = 72
"""Columns from which on the rate is shown."""

WITH_MODELS: Final = 100
"""Columns from which on models are shown."""


class JobLine(NamedTuple):
    """A job as `jobs --json` prints it, and its progress history (for its rate)."""

    job: Mapping[str, Any]
    history: History = ()


def bars(lines: Iterable[JobLine], now: int, width: int) -> Table:
    """A grid of the lines at `now` (Unix milliseconds), `width` terminal columns wide; with vendors where they are several."""
    grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
    columns = _columns(width)
    for name in columns:
        right = name in ("rate", "time")
        grid.add_column(
            no_wrap=True, ratio=1 if name == "bar" else None, overflow="ellipsis", justify="right" if right else "left"
        )
    shown = list(lines)
    has_vendors = len({provider_of(line.job) for line in shown}) > 1
    for line in shown:
        cells = _cells(line, now, with_vendor=has_vendors)
        grid.add_row(*(cells[name] for name in columns))
    return grid


def _columns(width: int) -> tuple[str, ...]:
    if width >= WITH_MODELS:
        return ("status", "job", "model", "bar", "progress", "rate", "time")
    if width >= WITH_TIMES:
        return ("status", "job", "bar", "progress", "rate", "time")
    return ("job", "bar", "progress", "time")


def _cells(line: JobLine, now: int, *, with_vendor: bool) -> dict[str, RenderableType]:
    job = line.job
    history = () if is_terminal(job["status"]) else line.history
    ends_at, pace = eta(history, job["total_requests"]), rate(history, job["total_requests"])
    color = job_description.color(job)
    return {
        "status": colored_text.status(job),
        "job": job_description.short_id(job),
        "model": plain(" ".join(each for each in (provider_of(job) if with_vendor else "", job["model"]) if each)),
        "bar": ""
        if job_description.is_uncounted(job)
        else ProgressBar(
            total=job["total_requests"] or 1,
            completed=job["completed_requests"],
            complete_style=color,
            finished_style=color,
        ),
        "progress": job_description.progress(job),
        "rate": Text("" if pace is None else quantities.rate(pace), style="dim"),
        "time": _time(job, ends_at, now),
    }


def _time(job: Mapping[str, Any], ends_at: int | None, now: int) -> Text:
    """The estimated time left, else the time since the creation."""
    if ends_at is not None and ends_at > now:
        return Text(f"{format_duration((ends_at - now) / 1000)} left")
    ended_at = time_of(job, "completed_at") if is_terminal(job["status"]) else None
    until = ended_at or now / 1000
    return Text(format_duration(until - job["created_at"]), style="dim")
