"""Which columns of a table are shown where the terminal has no room for all, and how wide."""

from io import StringIO

import pytest
from rich.console import Console
from rich.text import Text

from tracker.cli.formatting.table_layout import Column, table

COLUMNS = (Column("id"), Column("created", rank=2), Column("why", rank=1, most=80, shrinks=True, keeps=24))
ROW = ("x" * 8, "c" * 10, "w" * 60)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (82, {"id": 8, "created": 10, "why": 60}),
        (60, {"id": 8, "created": 10, "why": 38}),
        (46, {"id": 8, "created": 10, "why": 24}),
        (45, {"id": 8, "why": 35}),
        (22, {"id": 8, "why": 12}),
        (21, {"id": 8}),
    ],
    ids=["all of it", "shortened", "as short as it is beside others", "another goes first", "shorter when alone", "gone"],
)
def test_column_that_is_shortened_outlives_those_of_less_worth(width, shown):
    """The reason of a failed job keeps enough width to be read, and a column that matters less goes for it."""
    made = table(COLUMNS, [ROW], width)
    assert {column.header: column.width for column in made.columns} == shown


@pytest.mark.parametrize("row", [("::error::forged", "x"), ("", "::error::forged"), (Text(" ::error::forged"), "x")])
def test_row_begins_no_command_of_a_ci(row):
    """A row whose first words are `::` of a value has a mark before them; other cells are as they are."""
    console = Console(width=60, record=True, file=StringIO())
    console.print(table((Column("one"), Column("two")), [row, ("a", "::b")], 60))
    lines = console.export_text().splitlines()
    assert not any(line.strip().startswith("::") for line in lines)
    assert "|" in lines[1]
    assert lines[2].split() == ["a", "::b"]
