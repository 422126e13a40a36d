"""`back_up`: a copy that is whole, needs no other file, and has its name only then."""

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from job_changes import SINCE, seen, seen_many
from small_files import no_file_grows_beyond

from tracker.core.errors.storage_error import StorageError, UnfitTargetError
from tracker.core.queries.filters import EventFilter
from tracker.store.database_file_commands import back_up, verify
from tracker.store.database_file_reports import Contents, Verification
from tracker.store.opening import open_reader, open_store
from tracker.store.sqlite.backups import backup

HOLDS = """
import sys
from pathlib import Path
from tracker.store.sqlite.files.atomic_file import atomic_file

with atomic_file(Path(sys.argv[1])):
    print("open", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
async def log(path):
    """A database of a hundred jobs, an event each."""
    async with open_store(path) as store:
        await store.record("default", seen_many(100))
    return path


@pytest.fixture
def target(tmp_path):
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups" / "copy.db"


async def bodies(path):
    async with open_reader(path) as reader:
        return await reader.events(0, EventFilter(), limit=-1)


def names(target):
    return sorted(path.name for path in target.parent.iterdir())


def refusal(database, target, kind=StorageError, **options):
    with pytest.raises(kind) as caught:
        back_up(database, target, **options)
    return str(caught.value)


async def test_copy_is_whole_by_itself(log, target, tmp_path):
    """The copy, one file in a read-only directory, has the log to the byte, and only its owner can read it."""
    assert back_up(log, target) == Contents(events=100, jobs=100, size=target.stat().st_size)
    assert names(target) == ["copy.db"]
    assert target.stat().st_mode & 0o777 == 0o600
    alone = tmp_path / "alone"
    alone.mkdir()
    moved = shutil.copy(target, alone)
    alone.chmod(0o500)
    with closing(sqlite3.connect(f"file:{moved}?immutable=1", uri=True)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)
    assert verify(target) == Verification(100, 100, ())
    assert await bodies(target) == await bodies(log)
    assert names(target) == ["copy.db"]


async def test_what_is_written_meanwhile_neither_waits_nor_shows(log, target, monkeypatch):
    """A writer that commits before each of many steps is not held up, and the copy is as the file was when it began."""
    before = await bodies(log)
    monkeypatch.setattr(backup, "_PAGES_AT_ONCE", 2)
    connect, steps = sqlite3.connect, []
    with closing(connect(log, isolation_level=None)) as writer:

        class Stepping(sqlite3.Connection):
            def backup(self, target, *, pages):
                super().backup(target, pages=pages, progress=self.write)

            def write(self, _status, remaining, _total):
                steps.append(remaining)
                writer.execute("UPDATE jobs SET first_seen_at = first_seen_at || 'x'")
                writer.execute("INSERT INTO accounts (name, since, horizon) VALUES (?, 1, 1)", (f"account-{len(steps)}",))

        monkeypatch.setattr(sqlite3, "connect", lambda *args, **options: connect(*args, factory=Stepping, **options))
        back_up(log, target)
        assert len(steps) > 10
        assert steps == sorted(steps, reverse=True), "it never began again"
        assert writer.execute("SELECT count(*) FROM accounts").fetchone() == (len(steps),)
    monkeypatch.undo()
    assert await bodies(target) == before
    assert verify(target) == Verification(100, 100, ())


async def test_what_a_killed_one_left_is_taken_over(log, target):
    """A FILE.partial that a killed process left, with its companions, is replaced and gone afterwards."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        target.with_name(f"copy.db.partial{suffix}").write_bytes(b"left over" * 1000)
    back_up(log, target)
    assert names(target) == ["copy.db"]
    assert verify(target).events == 100


def test_two_at_once(path, target):
    """While another process writes the same copy it is refused, and the other's file is left alone."""
    command = [sys.executable, "-c", HOLDS, target]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "open\n"
        assert refusal(path, target) == f"{target}.partial: another process is writing it"
        assert names(target) == ["copy.db.partial"]
        other.stdin.close()
        other.wait()
    assert names(target) == []


async def test_what_is_there_is_replaced_only_when_asked(log, target):
    """A file that has the name stays, to the byte, unless it is to be replaced."""
    target.write_bytes(b"precious")
    assert refusal(log, target) == f"{target}: there is a file already; --force replaces it"
    assert target.read_bytes() == b"precious"
    assert back_up(log, target, overwrite=True).events == 100
    assert names(target) == ["copy.db"]


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal", ".lock", ".control"])
async def test_the_database_is_no_target(log, tmp_path, suffix):
    """Neither the database nor its companion files are overwritten, by whatever name."""
    own = log.with_name(log.name + suffix)
    link = tmp_path / "link"
    link.symlink_to(own)
    before = log.read_bytes()
    for name in (own, link, tmp_path / "." / ".." / tmp_path.name / own.name):
        assert "this belongs to the database itself" in refusal(log, name, UnfitTargetError, overwrite=True)
    os.link(log, tmp_path / "hard.db")
    assert "this belongs to the database itself" in refusal(log, tmp_path / "hard.db", UnfitTargetError, overwrite=True)
    assert log.read_bytes() == before


async def test_places_that_take_no_copy(log, target):
    """The error names a directory, a device or a missing directory as such, and nothing is left there."""
    assert refusal(log, target.parent, UnfitTargetError).endswith("this is a directory, expected a file")
    said = refusal(log, Path("/dev/null"), UnfitTargetError, overwrite=True)
    assert said == "/dev/null: this is not a regular file, expected one, or none"
    nowhere = target.parent / "none" / "copy.db"
    assert refusal(log, nowhere) == f"{nowhere.parent}: cannot be opened: No such file or directory"
    assert names(target) == []


async def test_no_room(log, target):
    """The error of a copy that finds no room gives its size, and nothing is left of it."""
    target.write_bytes(b"precious")
    with no_file_grows_beyond(100_000):
        said = refusal(log, target, overwrite=True)
    assert said.startswith(f"{log}: cannot be copied to {target.parent} ({log.stat().st_size:,} bytes), SQLite says: ")
    assert names(target) == ["copy.db"]
    assert target.read_bytes() == b"precious"


async def test_a_copy_that_is_not_what_the_log_says(log, target):
    """A database whose jobs differ from its log gives no copy, and the error has the first difference."""
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        connection.execute("UPDATE jobs SET status = 'FAILED' WHERE id IN ('job-1', 'job-2')")
    said = refusal(log, target)
    assert "account default, job job-1: status: the log says 'QUEUED', the table says 'FAILED'" in said
    assert said.endswith("and 1 more differences")
    assert names(target) == []


async def test_what_is_no_database_of_ours(target, tmp_path):
    """Where there is no database, or another program's, the error says so and there is no copy."""
    assert "there is no database" in refusal(tmp_path / "none.db", target)
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as connection:
        connection.execute("CREATE TABLE theirs (x)")
    assert "found one of another program" in refusal(tmp_path / "theirs.db", target)
    (tmp_path / "text.db").write_text("no database" * 1000)
    assert "file is not a database" in refusal(tmp_path / "text.db", target)
    assert names(target) == []


async def test_beside_an_open_store_and_after_a_kill(log, target):
    """What is still in the WAL is in the copy, while the daemon has the file and when it was killed."""
    async with open_store(log) as store:
        await store.record("default", [seen("job-x", now=SINCE + 1)])
        assert back_up(log, target).events == 101
        killed = target.with_name("killed.db")
        for suffix in ("", "-wal"):
            shutil.copy(log.with_name(log.name + suffix), killed.with_name(killed.name + suffix))
    assert back_up(killed, target, overwrite=True).events == 101


async def test_it_is_on_the_disk_before_it_has_its_name(log, target, monkeypatch):
    """The copy is synced, then named, then its directory is synced: a power cut leaves the old state or the whole new one."""
    steps = []

    def recorded(call, what):
        def record(*arguments):
            steps.append(what(*arguments))
            return call(*arguments)

        return record

    monkeypatch.setattr(os, "fsync", recorded(os.fsync, lambda fd: ("sync", str(Path(f"/proc/self/fd/{fd}").readlink()))))
    monkeypatch.setattr(os, "replace", recorded(os.replace, lambda _, name: ("name", str(name))))
    back_up(log, target)
    assert steps == [("sync", f"{target}.partial"), ("name", str(target)), ("sync", str(target.parent))]
