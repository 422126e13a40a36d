"""Owns reads over a connection of sqlite3, in the thread that calls: their coroutines await only what is there at once."""

import json
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from tracker.store.records.query import Query

Read = TypeVar("Read")


def read_at_one_moment(
    connection: sqlite3.Connection,
    reading: Callable[[Query], Coroutine[Any, Any, Read]],
    check: Callable[[], object] = lambda: None,
) -> Read:
    """The result of `reading`, all of whose queries run in one transaction; `check` is called before each of them."""

    async def query(sql: str, *parameters: Any) -> list[Any]:
        check()
        return connection.execute(sql, [_adapted(each) for each in parameters]).fetchall()

    connection.execute("BEGIN")
    try:
        return run_to_end(reading(query))
    finally:
        connection.rollback()


def run_to_end(coroutine: Coroutine[Any, Any, Read]) -> Read:
    """The result of a coroutine that awaits only such reads; it needs no event loop."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: Read = end.value
        return result
    coroutine.close()
    raise RuntimeError("a read awaits something else than its query")


def _adapted(parameter: Any) -> Any:
    """An array as JSON, which the statements take apart."""
    return json.dumps(parameter) if isinstance(parameter, list) else parameter
