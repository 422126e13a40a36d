"""Owns the progress of `import` and `export`: a bar for each table on a terminal, nothing elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as ProgressBars

from tracker.cli.formatting import terminal
from tracker.store.transfer.transfer_report import Progress, Transferred


@contextmanager
def shown_progress() -> Iterator[Progress]:
    """What a transfer tells of its progress is shown on standard error while the context lasts."""
    console = terminal.console(stderr=True)
    if not terminal.is_interactive(console):
        yield lambda _table, _done, _total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with ProgressBars(*columns, console=console, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(table: str, done: int, total: int) -> None:
            if table not in tasks:
                tasks[table] = bars.add_task(table.replace("_", " "), total=total)
            bars.update(tasks[table], completed=done)

        yield show


def describe_transferred(transferred: Transferred) -> str:
    """What was transferred as text."""
    rows = transferred.rows
    last = f" up to seq {rows['events']}" if rows["events"] else ""
    return f"{rows['events']} events{last}, {rows['jobs']} jobs, {rows['deliveries']} deliveries; each row was compared"
