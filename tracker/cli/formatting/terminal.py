"""Owns the terminal: whether one is there, and words on it with their colours, in lines and tables that fit."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tracker.cli.formatting import text
from tracker.core.events.timeline import PROGRESS, Step, progress_words

GAP: Final = 2
"""Columns between two columns of a table."""

PIPED: Final = 10_000
"""Columns of what is no terminal."""

LEAST: Final = 12
"""Columns that the one which gives way keeps."""


WHOLE_IDS: Final = 110
"""Columns from which on a job's whole ID is shown; its beginning is enough for every command."""


class Column(NamedTuple):
    """A table's column, on a terminal at most so wide.

    Where there is no room one that `gives` is cut short, but keeps `keeps` as long as there is a column of a higher rank; then
    the one of the highest `rank` goes, but for 0.
    """

    name: str
    rank: int = 0
    most: int = 40
    gives: bool = False
    keeps: int = LEAST
    right: bool = False


def console(*, stderr: bool = False) -> Console:
    """The terminal; what is piped is as wide as it has to be, and has no colours."""
    piped = not (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=PIPED if piped else None)


def is_watched(console: Console) -> bool:
    """Whether the output is an interactive terminal that can be redrawn: in CI, or on a dumb one, lines serve better."""
    in_ci = "CI" in os.environ  # noqa: TID251 - what it says is of this process, not of its configuration
    return console.is_terminal and not console.is_dumb_terminal and not in_ci


def table(columns: Sequence[Column], rows: Iterable[Sequence[Text | str]], width: int) -> Table:
    """Columns side by side without lines, as many of them as there is room for in `width`."""
    cells = [[cell if isinstance(cell, Text) else Text(text.plain(cell)) for cell in row] for row in rows]
    widths = _fitting(columns, cells, width)
    made = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim", show_header=any(c.name for c in columns))
    for number, wide in widths.items():
        column = columns[number]
        justify: Literal["left", "right"] = "right" if column.right else "left"
        made.add_column(column.name, no_wrap=True, overflow="ellipsis", width=wide, justify=justify)
    for row in cells:
        made.add_row(*(row[number] for number in widths))
    return made


def status(job: Mapping[str, Any]) -> Text:
    return Text(text.status(job), style=text.colour(job))


def event_words(event: Mapping[str, Any]) -> Text:
    """What happened: the type in its colour, and what there is to say of it."""
    words = Text(text.event_words(event), style="default")
    words.stylize(text.colour_of_event(event), 0, len(event["type"]))
    return words


def step_words(step: Step) -> Text:
    """An event, or what several events of progress say together."""
    if step.times == 1:
        return event_words(step.last)
    words = Text(f"{PROGRESS:<18} {progress_words(step)} ({step.times} events)")
    words.stylize(text.colour_of_event(step.last), 0, len(PROGRESS))
    return words


def _fitting(columns: Sequence[Column], cells: Sequence[Sequence[Text]], width: int) -> dict[int, int]:
    """How wide each column is, by its number, of those that there is room for."""
    widths: dict[int, int] = {}
    for number, column in enumerate(columns):
        widest = max([cell_len(column.name), *(row[number].cell_len for row in cells)])
        widths[number] = min(widest, column.most) if width < PIPED else widest
    wanted = dict(widths)
    while (over := sum(wide + GAP for wide in widths.values()) - GAP - width) > 0:
        last = max(widths, key=lambda number: columns[number].rank)
        least = {number: each.keeps if each.rank < columns[last].rank else LEAST for number, each in enumerate(columns)}
        gives = [number for number in widths if columns[number].gives and widths[number] > least[number]]
        if gives:
            widths[gives[0]] -= min(over, widths[gives[0]] - least[gives[0]])
            continue
        if columns[last].rank == 0:
            break
        del widths[last]
        widths |= {number: wanted[number] for number in widths}
    return widths
