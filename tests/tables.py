"""Looking into an open store's tables behind its back: they have the same names and columns in every engine.

Statements have SQLite's placeholders, each a `?`, and rows the texts and truth values that SQLite returns.
"""

import itertools
import re
import sqlite3

from tracker.store.postgres.database.command_status import rows_changed
from tracker.store.postgres.database.text_escape import decode_text, encode_text
from tracker.store.postgres.writing.store import PostgresStore


async def fetch(store, sql, *parameters):
    """The rows that a statement selects."""
    sql, parameters = _in_dialect(store, sql, parameters)
    return [tuple(map(_value, row)) for row in await _database(store).fetch(sql, *parameters)]


async def execute(store, sql, *parameters):
    """Change what is in the tables; how many rows that concerned."""
    sql, parameters = _in_dialect(store, sql, parameters)

    def work(connection):
        if isinstance(connection, sqlite3.Connection):
            return connection.execute(sql, parameters).rowcount
        return _executed(connection, sql, parameters)

    return await _database(store).write("tampering", work)


def _database(store):
    return store.database if isinstance(store, PostgresStore) else store._database


async def _executed(connection, sql, parameters):
    return rows_changed(await connection.execute(sql, *parameters))


def _in_dialect(store, sql, parameters):
    if not isinstance(store, PostgresStore):
        return sql, parameters
    numbers = itertools.count(1)
    sql = re.sub(r"\?", lambda _: f"${next(numbers)}", sql)
    return sql, [encode_text(each) if isinstance(each, str) else each for each in parameters]


def _value(cell):
    return decode_text(cell) if isinstance(cell, str) else int(cell) if isinstance(cell, bool) else cell
