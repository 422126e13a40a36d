"""Owns what `wait` shows: bars on a terminal that is watched, elsewhere a line where something has changed; its results."""

import sys
from types import TracebackType
from typing import Final, Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from tracker.cli import output, text
from tracker.cli.awaited import DELETED, TIMED_OUT, UNKNOWN, Awaited, Waiting
from tracker.cli.bars import Line, bars
from tracker.clock import now
from tracker.core.job import Job, read_job, time_of
from tracker.core.verdict import of_status, span

STEP: Final = 10
"""A line of plain text for every so many per cent."""

_FILES: Final = ("output_file", "error_file")


class Lines:
    """Results to standard output as jobs end, notes and progress to standard error; `quiet` leaves out all."""

    def __init__(self, *, as_json: bool, quiet: bool) -> None:
        self._as_json = as_json
        self._quiet = quiet
        self._said: dict[str, tuple[str, int]] = {}  # by ID: its status, and how many steps it had got

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def tick(self, waiting: Waiting) -> None:
        """Time has passed."""

    def seen(self, awaited: Awaited) -> None:
        job = awaited.job
        if job is None or self._quiet:
            return
        said = job["status"], _share(job["completed_requests"], job["total_requests"]) // STEP
        if self._said.get(awaited.id) != said:
            self._said[awaited.id] = said
            self._tell(f"{text.plain(awaited.id)}  {text.plain(job['status'])}  {text.progress(job)}")

    def ended(self, awaited: Awaited) -> None:
        if not self._quiet:
            self._result(awaited)

    def note(self, words: str) -> None:
        if not self._quiet:
            self._tell(words)

    def _tell(self, line: str) -> None:
        output.echo_error(line)

    def _result(self, awaited: Awaited) -> None:
        if self._as_json:
            output.echo_json(awaited.to_json())
        else:
            output.echo("\n".join(words(awaited)))


class Bars(Lines):
    """A bar for each job that is waited for, below what has been said."""

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
        shown = bars([Line(each.job, each.history) for each in outstanding if each.job][:room], now(), self._console.width)
        sought = [f"{text.plain(each.given)}  not seen yet" for each in outstanding if not each.job]
        more = [f"and {len(outstanding) - room} more"] if len(outstanding) > room else []
        self._live.update(Group(shown, Text("\n".join([*sought[:room], *more]), style="dim")), refresh=True)

    def seen(self, awaited: Awaited) -> None:
        pass  # the next tick shows it

    def _tell(self, line: str) -> None:
        self._console.print(Text(line, style="dim"))

    def _result(self, awaited: Awaited) -> None:
        if not sys.stdout.isatty():
            super()._result(awaited)
            return
        if self._as_json:
            self._console.print(Text(output.json_line(awaited.to_json())), soft_wrap=True)
            return
        style = text.colour(awaited.job) if awaited.job and awaited.result not in (TIMED_OUT, UNKNOWN) else "yellow"
        first, *others = words(awaited)
        self._console.print(Text(first, style=style), soft_wrap=True)
        for other in others:
            self._console.print(Text(other), soft_wrap=True)


def words(awaited: Awaited) -> list[str]:
    """What became of it, a line, and a line for each file that there is to download."""
    job = awaited.job
    if job is None:
        never = "not seen in time" if awaited.result == TIMED_OUT else "there is no such job"
        return [f"{text.plain(awaited.given)}  {never}"]
    files = [f"  {name:<11}  {text.plain(job[name])}" for name in _FILES if job.get(name)]
    return [f"{text.plain(awaited.id)}  {_verdict(awaited)}", *files]


def _verdict(awaited: Awaited) -> str:
    job = awaited.job or {}
    if awaited.result == DELETED:
        return "Batch deleted: the API no longer has it"
    if awaited.result == TIMED_OUT:
        return f"not over yet: {text.plain(job['status'])}  {text.progress(job)}"
    read = read_job(job)
    said = text.plain(of_status(read)) if isinstance(read, Job) else text.plain(job["status"])
    ended_at = time_of(job, "completed_at")
    took = f" in {span(ended_at - job['created_at'])}" if ended_at else ""
    return f"{said}{took}"


def _share(done: int, total: int) -> int:
    return done * 100 // total if total else 0
