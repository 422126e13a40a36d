"""A connection that fails leaves nothing behind."""

import sqlite3
import threading

import pytest

from tracker.store.connecting import connect


async def test_thread_of_a_failed_connection_has_ended(tmp_path, monkeypatch):
    """When the error is raised nobody is left who might speak to the loop later, however slowly threads are started and end."""
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
