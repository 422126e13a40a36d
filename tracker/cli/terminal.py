"""Owns the terminal: whether one is there, and words on it with their colours, in lines and tables that fit."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tracker.cli import text

GAP: Final = 2
"""Columns between two columns of a table."""

LEAST: Final = 12
"""Columns that the one which gives way keeps."""


WHOLE_IDS: Final = 110
"""Columns from which on a job's whole ID is shown; its beginning is enough for every command."""


class Column(NamedTuple):
    """A table's column. Where there is no room the highest `rank` goes first, and 0 stays; one that `gives` is cut short."""

    name: str
    rank: int = 0
    gives: bool = False
    right: bool = False


def console(*, stderr: bool = False) -> Console:
    """The terminal; what is piped is as wide as it has to be, and has no colours."""
    piped = not (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=10_000 if piped else None)


def is_watched(console: Console) -> bool:
    """Whether somebody sees the terminal, and it can be drawn on: in CI, or on a dumb one, lines serve better."""
    in_ci = "CI" in os.environ  # noqa: TID251 - what it says is of this process, not of its configuration
    return console.is_terminal and not console.is_dumb_terminal and not in_ci


def table(columns: Sequence[Column], rows: Iterable[Sequence[Text | str]], width: int) -> Table:
    """Columns side by side without lines, as many of them as there is room for in `width`."""
    cells = [[cell if isinstance(cell, Text) else Text(cell) for cell in row] for row in rows]
    kept = _fitting(columns, cells, width)
    made = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim", show_header=any(c.name for c in columns))
    for number in kept:
        column = columns[number]
        made.add_column(
            column.name,
            no_wrap=True,
            overflow="ellipsis",
            ratio=1 if column.gives else None,
            justify="right" if column.right else "left",
        )
    for row in cells:
        made.add_row(*(row[number] for number in kept))
    return made


def status(job: Mapping[str, Any]) -> Text:
    return Text(text.status(job), style=text.colour(job))


def event_words(event: Mapping[str, Any]) -> Text:
    """What happened: the type in its colour, and what there is to say of it."""
    words = Text(text.event_words(event), style="default")
    words.stylize(text.colour_of_event(event), 0, len(event["type"]))
    return words


def _fitting(columns: Sequence[Column], cells: Sequence[Sequence[Text]], width: int) -> list[int]:
    """The numbers of the columns that there is room for."""
    widths = [max([cell_len(column.name), *(row[number].cell_len for row in cells)]) for number, column in enumerate(columns)]
    least = [min(wide, LEAST) if column.gives else wide for wide, column in zip(widths, columns, strict=True)]
    kept = list(range(len(columns)))
    while sum(least[number] + GAP for number in kept) - GAP > width:
        last = max(kept, key=lambda number: columns[number].rank)
        if columns[last].rank == 0:
            break
        kept.remove(last)
    return kept
