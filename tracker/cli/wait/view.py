"""Owns the views of `wait`: progress bars on a terminal, lines of changes elsewhere, and the results."""

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tracker.cli.formatting import job_description, json_output, printing
from tracker.cli.formatting.progress_bars import JobLine, bars
from tracker.cli.wait.result import result_lines
from tracker.cli.wait.state import TIMED_OUT, UNKNOWN, Awaited, Waiting
from tracker.core.jobs.short_id import short_id
from tracker.core.text.escaping import plain
from tracker.runtime.clock import now

PROGRESS_STEP: Final = 10
"""Per cent of progress between two lines of plain text."""


class LineView:
    """Results to standard output, notices and progress to standard error; nothing if `quiet`."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._as_json = as_json
        self._quiet = quiet
        self.shows_errors = not as_json and not quiet
        self._printed: dict[str, tuple[str, int]] = {}  # by ID: its status, and its number of progress steps

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def tick(self, waiting: Waiting) -> None:
        """Time has passed."""

    def job_changed(self, awaited: Awaited) -> None:
        job = awaited.job
        if job is None or self._quiet:
            return
        state = job["status"], _percent(job["completed_requests"], job["total_requests"]) // PROGRESS_STEP
        if self._printed.get(awaited.id) != state:
            self._printed[awaited.id] = state
            self._print_notice(_progress_line(awaited.id, job))

    def job_ended(self, awaited: Awaited) -> None:
        if not self._quiet:
            self._print_result(awaited)

    def show_notice(self, words: str) -> None:
        if not self._quiet:
            self._print_notice(words)

    def _print_notice(self, line: str) -> None:
        printing.echo_error("\n".join(printing.wrapped([line], indent="")))

    def _print_result(self, awaited: Awaited) -> None:
        if self._as_json:
            json_output.echo_json(awaited.to_json())
        else:
            printing.echo("\n".join(result_lines(awaited)))


class BarView(LineView):
    """A progress bar for each awaited job, below notices and results."""

    def __init__(self, console: Console, *, as_json: bool) -> None:
        super().__init__(as_json=as_json, quiet=False)
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._console = console

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.__exit__(kind, error, trace)

    def tick(self, waiting: Waiting) -> None:
        outstanding = waiting.outstanding
        room = max(1, self._console.height - 3)
        shown = bars([JobLine(each.job, each.history) for each in outstanding if each.job][:room], now(), self._console.width)
        sought = [f"{plain(each.given)}  not seen yet" for each in outstanding if not each.job]
        more = [f"and {len(outstanding) - room} more"] if len(outstanding) > room else []
        self._live.update(Group(shown, Text("\n".join([*sought[:room], *more]), style="dim")), refresh=True)

    def job_changed(self, awaited: Awaited) -> None:
        pass  # the next tick shows it

    def _print_notice(self, line: str) -> None:
        self._console.print(Text(line, style="dim"))

    def _print_result(self, awaited: Awaited) -> None:
        if not sys.stdout.isatty():
            super()._print_result(awaited)
            return
        if self._as_json:
            self._console.print(Text(json_output.json_line(awaited.to_json())), soft_wrap=True)
            return
        style = job_description.color(awaited.job) if awaited.job and awaited.result not in (TIMED_OUT, UNKNOWN) else "yellow"
        first, *others = result_lines(awaited)
        self._console.print(Text(first, style=style), soft_wrap=True)
        for other in others:
            self._console.print(Text(other), soft_wrap=True)


def _progress_line(job_id: str, job: Mapping[str, Any]) -> str:
    """The state of a job on one line, with its whole ID if that fits."""
    state = f"  {plain(job['status'])}  {job_description.progress(job)}"
    return plain(job_id if len(job_id) + len(state) <= printing.WIDTH else short_id(job_id)) + state


def _percent(done: int, total: int) -> int:
    return done * 100 // total if total else 0
