"""Owns which tables and columns are transferred, and what a row of one engine is in the other."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, NamedTuple

import asyncpg

from tracker.store.postgres.database.text_escape import decode_text, encode_text

TABLES: Final = (
    "accounts",
    "events",
    "rare_events",
    "jobs",
    "job_counts",
    "deliveries",
    "attempts",
    "receivers",
    "cards",
    "archive_tasks",
    "results",
    "silences",
)
"""Each comes after those that it refers to."""

_SQLITE_COLUMNS: Final = "SELECT name, hidden > 0 FROM pragma_table_xinfo(?)"

_POSTGRES_COLUMNS: Final = """
SELECT attname, atttypid = 'boolean'::regtype FROM pg_attribute
WHERE attrelid = $1::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''"""

Row = Sequence[Any]
Convert = Callable[[Row], Row]


class TableColumns(NamedTuple):
    """The columns that both engines have of a table, and the positions of those that are boolean in PostgreSQL."""

    table: str
    names: tuple[str, ...]
    booleans: frozenset[int]

    @property
    def select(self) -> str:
        """Reads the rows, in either engine."""
        return f"SELECT {', '.join(self.names)} FROM {self.table}"  # noqa: S608 - names of the schema

    @property
    def insert(self) -> str:
        """Writes a row in SQLite."""
        places = ", ".join("?" * len(self.names))
        return f"INSERT INTO {self.table} ({', '.join(self.names)}) VALUES ({places})"  # noqa: S608 - as above

    def to_postgres(self, row: Row) -> Row:
        """The row of SQLite as PostgreSQL has it."""
        values = [encode_text(value) if isinstance(value, str) else value for value in row]
        for position in self.booleans:
            values[position] = bool(values[position])
        return values

    def to_sqlite(self, row: Row) -> Row:
        """The row of PostgreSQL as SQLite has it."""
        values = [decode_text(value) if isinstance(value, str) else value for value in row]
        for position in self.booleans:
            values[position] = int(values[position])
        return values


async def shared_columns(
    sqlite: sqlite3.Connection, postgres: asyncpg.Connection, table: str, *, generated: bool
) -> TableColumns:
    """The columns that both have; `generated` includes those that SQLite computes and PostgreSQL stores."""
    there = {row[0]: row[1] for row in await postgres.fetch(_POSTGRES_COLUMNS, table)}
    here = [name for name, is_generated in sqlite.execute(_SQLITE_COLUMNS, (table,)) if generated or not is_generated]
    return _columns(table, [name for name in here if name in there], {name for name in there if there[name]})


def _columns(table: str, names: Sequence[str], booleans: Collection[str]) -> TableColumns:
    return TableColumns(table, tuple(names), frozenset(at for at, name in enumerate(names) if name in booleans))
