"""Owns the view of `download`: a progress bar for the current file on a terminal, and notices."""

from types import TracebackType
from typing import Self

import anyio
from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from tracker.cli.formatting import printing, quantities, terminal
from tracker.core.results.result_file import FileKind
from tracker.core.text.escaping import plain


class DownloadView:
    """Remarks on standard error, and no bar: for pipes and logs. `quiet` leaves out remarks too."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        pass

    def begin(self, kind: FileKind, total: int | None) -> None:
        """A file is downloaded from its beginning; `total` is its size in bytes, if that is known."""

    def advance(self, count: int) -> None:
        """Count bytes that have been received."""

    def tick(self) -> None:
        """Time has passed."""

    def show_notice(self, words: str) -> None:
        if not self._quiet:
            self._print(plain(words))

    def _print(self, line: str) -> None:
        printing.echo_error(line)


class DownloadBar(DownloadView):
    """A bar for the file that is under way."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._kind = ""
        self._total: int | None = None
        self._received = 0
        self._since = 0.0

    def __enter__(self) -> Self:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._live.update(Group())
        self._live.__exit__(kind, error, trace)

    def begin(self, kind: FileKind, total: int | None) -> None:
        self._kind, self._total, self._received, self._since = kind, total, 0, anyio.current_time()

    def advance(self, count: int) -> None:
        self._received += count

    def tick(self) -> None:
        if self._kind:
            self._live.update(self._bar(anyio.current_time() - self._since), refresh=True)

    def _bar(self, seconds: float) -> Table:
        total = self._total or 0
        of_total = f" of {quantities.size(total)} {min(100, self._received * 100 // total)} %" if total else ""
        grid = Table.grid(padding=(0, 2, 0, 0), expand=True)
        for name in ("kind", "bar", "size", "rate"):
            grid.add_column(no_wrap=True, ratio=1 if name == "bar" else None)
        bar = ProgressBar(total=total or None, completed=self._received, pulse=not total)
        rate = f"{quantities.size(round(self._received / seconds))}/s" if seconds >= 1 else ""
        grid.add_row(self._kind, bar, f"{quantities.size(self._received)}{of_total}", Text(rate, style="dim"))
        return grid

    def _print(self, line: str) -> None:
        self._console.print(Text(line, style="dim"))


def download_view(*, quiet: bool) -> DownloadView:
    """The view for this process's standard error."""
    console = terminal.console(stderr=True)
    return DownloadView(quiet=quiet) if quiet or not terminal.is_interactive(console) else DownloadBar(console)
