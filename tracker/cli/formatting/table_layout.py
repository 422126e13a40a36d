"""Owns tables on a terminal: columns side by side, shortened or left out until they fit the width."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal, NamedTuple

from rich.cells import cell_len
from rich.table import Table
from rich.text import Text

from tracker.cli.formatting.terminal import PIPED_WIDTH
from tracker.core.text.escaping import plain

GAP: Final = 2
"""Terminal columns between two columns of a table."""

LEAST_WIDTH: Final = 12
"""Terminal columns that a shortened column keeps."""

WHOLE_IDS: Final = 110
"""Terminal columns from which on a job's whole ID is shown; its beginning is enough for every command."""


class Column(NamedTuple):
    """A column of a table; on a terminal it has at most `most` terminal columns.

    If the table is too wide, a column that `shrinks` is shortened, but keeps `keeps` terminal columns as long as a column of a
    higher rank is shown. Then the column with the highest `rank` is left out; rank 0 is always shown.
    """

    name: str
    rank: int = 0
    most: int = 40
    shrinks: bool = False
    keeps: int = LEAST_WIDTH
    right: bool = False


def table(columns: Sequence[Column], rows: Iterable[Sequence[Text | str]], width: int) -> Table:
    """A table without lines, with as many of the columns as fit `width`."""
    cells = [[cell if isinstance(cell, Text) else Text(plain(cell)) for cell in row] for row in rows]
    widths = _fitting(columns, cells, width)
    made = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="dim", show_header=any(c.name for c in columns))
    for number, wide in widths.items():
        column = columns[number]
        justify: Literal["left", "right"] = "right" if column.right else "left"
        made.add_column(column.name, no_wrap=True, overflow="ellipsis", width=wide, justify=justify)
    for row in cells:
        made.add_row(*_beginning_no_command([row[number] for number in widths]))
    return made


def _beginning_no_command(row: Sequence[Text]) -> list[Text]:
    """The row; if it begins with `::`, which is a command for some CIs, with a `|` before that."""
    first = next((number for number, cell in enumerate(row) if cell.plain.strip()), 0)
    return [
        Text.assemble("|", cell) if number == first and cell.plain.lstrip().startswith("::") else cell
        for number, cell in enumerate(row)
    ]


def _fitting(columns: Sequence[Column], cells: Sequence[Sequence[Text]], width: int) -> dict[int, int]:
    """The widths of the columns that fit, by their numbers."""
    widths: dict[int, int] = {}
    for number, column in enumerate(columns):
        widest = max([cell_len(column.name), *(row[number].cell_len for row in cells)])
        widths[number] = min(widest, column.most) if width < PIPED_WIDTH else widest
    wanted = dict(widths)
    while (over := sum(wide + GAP for wide in widths.values()) - GAP - width) > 0:
        last = max(widths, key=lambda number: columns[number].rank)
        least = {number: each.keeps if each.rank < columns[last].rank else LEAST_WIDTH for number, each in enumerate(columns)}
        shrinking = [number for number in widths if columns[number].shrinks and widths[number] > least[number]]
        if shrinking:
            widths[shrinking[0]] -= min(over, widths[shrinking[0]] - least[shrinking[0]])
            continue
        if columns[last].rank == 0:
            break
        del widths[last]
        widths |= {number: wanted[number] for number in widths}
    return widths
