"""Which columns of a table are shown where the terminal has no room for all, and how wide."""

import pytest

from tracker.cli.formatting.terminal import Column, table

COLUMNS = (Column("id"), Column("created", rank=2), Column("why", rank=1, most=80, gives=True, keeps=24))
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
    """What tells why a job failed keeps enough to be read, and a column that matters less goes for it."""
    made = table(COLUMNS, [ROW], width)
    assert {column.header: column.width for column in made.columns} == shown
