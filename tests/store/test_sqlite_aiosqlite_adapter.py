"""A connection that fails leaves nothing behind."""

import asyncio
import inspect
import re
import sqlite3
import threading
import tomllib
from importlib.metadata import version
from pathlib import Path

import aiosqlite
import pytest

from tracker.store.sqlite.database.aiosqlite_adapter import connect


async def test_thread_of_a_failed_connection_has_ended(tmp_path, monkeypatch):
    """When the error is raised, no thread is left that might call the loop later, however slowly threads start and end."""
    running = threading.Thread.run

    def run_slowly(thread):
        running(thread)
        threading.Event().wait(0.05)

    monkeypatch.setattr(threading.Thread, "run", run_slowly)
    before = set(threading.enumerate())
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        await connect(f"file:{tmp_path}/none.db?mode=ro")
    assert not [each for each in set(threading.enumerate()) - before if "AnyIO" not in each.name]


async def test_connection_that_works(tmp_path):
    """It is one that commits by itself, to the file that the URI names."""
    connection = await connect(f"file:{tmp_path}/some.db?mode=rwc")
    await connection.execute("CREATE TABLE kept (x)")
    await connection.close()
    with sqlite3.connect(tmp_path / "some.db") as other:
        assert other.execute("SELECT name FROM sqlite_schema").fetchall() == [("kept",)]
    other.close()


async def test_what_was_opened_for_a_task_that_was_cancelled_is_closed(tmp_path, monkeypatch):
    """A connection whose task was cancelled is closed at once, not when it is collected: from 3.13 on that warns."""
    opened, closed, loop, real = [], [], asyncio.get_running_loop(), sqlite3.connect

    class Noted(sqlite3.Connection):
        def close(self):
            closed.append(self)
            super().close()

    def connect_while_the_task_is_cancelled(*arguments, **options):
        opened.append(real(*arguments, factory=Noted, **options))
        loop.call_soon_threadsafe(task.cancel)
        return opened[0]

    monkeypatch.setattr(sqlite3, "connect", connect_while_the_task_is_cancelled)
    task = asyncio.create_task(connect(f"file:{tmp_path}/some.db?mode=rwc"))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == opened != []


def test_private_names_of_aiosqlite_are_those_of_the_versions_that_are_allowed():
    """The dependency is bound to the minor version that is installed, which has the three names that `connect.py` uses."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    bounds = next(each for each in project["dependencies"] if each.startswith("aiosqlite"))
    lowest, beyond = (tuple(map(int, re.search(rf"{sign}([0-9.]+)", bounds)[1].split("."))) for sign in (">=", "<"))
    installed = tuple(map(int, version("aiosqlite").split(".")))
    assert lowest <= installed < beyond
    assert beyond == (lowest[0], lowest[1] + 1)
    assert list(inspect.signature(aiosqlite.Connection._execute).parameters) == ["self", "fn", "args", "kwargs"]
    assert inspect.iscoroutinefunction(aiosqlite.Connection._execute)
    assert isinstance(aiosqlite.Connection._conn, property)
    connection = aiosqlite.Connection(lambda: None, iter_chunk_size=1)
    assert isinstance(connection._thread, threading.Thread)
