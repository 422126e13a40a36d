"""Owns the view of `download --wait`: that of `wait`, but all of it on standard error."""

from rich.console import Console

from tracker.cli.formatting import terminal
from tracker.cli.wait.result import result_lines
from tracker.cli.wait.state import Awaited
from tracker.cli.wait.view import BarView, LineView


class _ProgressLines(LineView):
    def _print_result(self, awaited: Awaited) -> None:
        for line in result_lines(awaited):
            self._print_notice(line)


class _ProgressBars(BarView):
    def __init__(self, console: Console) -> None:
        super().__init__(console, as_json=False)

    def _print_result(self, awaited: Awaited) -> None:
        for line in result_lines(awaited):
            self._print_notice(line)


def waiting_view(*, quiet: bool) -> LineView:
    """The view for this process's standard error."""
    console = terminal.console(stderr=True)
    if quiet or not terminal.is_interactive(console):
        return _ProgressLines(as_json=False, quiet=quiet)
    return _ProgressBars(console)
