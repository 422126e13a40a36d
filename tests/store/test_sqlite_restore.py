"""`restore`: the backup is in the place of the database, and what was there is kept, whatever it was."""

import errno
import os
import shutil
import signal
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from unittest.mock import Mock

import anyio
import pytest
from job_changes import SINCE, seen, seen_many

from tracker.core.errors.storage_error import InUseError, StorageError, UnfitTargetError
from tracker.store.database_file_commands import back_up, restore, verify
from tracker.store.opening import open_store
from tracker.store.sqlite.database.migrations import MIGRATIONS
from tracker.store.sqlite.database.schema import APPLICATION_ID
from tracker.store.sqlite.files.displaced_database import displace, undo_displacement

MOMENT = "20250625T142010Z"


@pytest.fixture
async def saved(path, tmp_path):
    """A backup with ten events; the database has gone on to twelve, the last two of them still in its WAL, as after a kill."""
    backup = tmp_path / "backup.db"
    async with open_store(path) as store:
        await store.record("default", seen_many(10))
        back_up(path, backup)
        await store.record("default", seen_many(2, "later", now=SINCE + 1))
        for suffix in ("", "-wal"):
            shutil.copy(path.with_name(path.name + suffix), tmp_path / f"killed{suffix}")
    for suffix in ("", "-wal"):
        (tmp_path / f"killed{suffix}").replace(path.with_name(path.name + suffix))
    assert path.with_name(path.name + "-wal").stat().st_size
    return backup


def names(path):
    return sorted(each.name for each in path.parent.iterdir())


async def test_there_and_back(path, saved):
    """The database is what the backup is, nothing of the old WAL gets into it, and the old one is kept whole."""
    restored = restore(saved, path, MOMENT)
    assert not [name for name in names(path) if name.startswith("tracker.db-") or "partial" in name]
    assert restored.contents.events == verify(path).events == 10
    assert restored.displaced == path.with_name(f"tracker.db.before-restore-{MOMENT}")
    assert verify(restored.displaced).events == 12
    assert verify(saved).events == 10
    assert path.stat().st_mode & 0o777 == 0o600
    async with open_store(path) as store:
        await store.record("default", [seen("after", now=SINCE + 2)])
    assert verify(path).events == 11, "the log goes on after the backup's last seq"


async def test_on_a_new_machine(saved, tmp_path):
    """Where there is no database, nor its directory, it is made; a WAL that is left is not taken for a part of it."""
    new = tmp_path / "state" / "tracker.db"
    assert restore(saved, new, MOMENT).displaced is None
    assert verify(new).events == 10
    shutil.copy(tmp_path / "tracker.db-wal", tmp_path / "state" / "tracker.db-wal")
    new.unlink()
    restored = restore(saved, new, MOMENT)
    assert names(new) == ["tracker.db", f"tracker.db.before-restore-{MOMENT}-wal", "tracker.db.lock"]
    assert restored.displaced
    assert verify(new).events == 10


async def test_a_damaged_database_is_kept_as_it_is(path, saved):
    """What cannot even be opened is what a restore is for: it is kept to the byte, with its WAL."""
    path.write_bytes(b"SQLite format 3\0" + os.urandom(20_000))
    before = [path.with_name(path.name + suffix).read_bytes() for suffix in ("", "-wal")]
    aside = restore(saved, path, MOMENT).displaced
    assert verify(path).events == 10
    assert [aside.with_name(aside.name + suffix).read_bytes() for suffix in ("", "-wal")] == before


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-9000]), "malformed"),
        (lambda path: path.write_bytes(b"text" * 9000), "file is not a database"),
        (lambda path: path.unlink(), "there is no such file"),
        (lambda path: _execute(path, "UPDATE jobs SET deleted = 1 WHERE id = 'job-1'"), "the log and the jobs differ"),
        (lambda path: _execute(path, "PRAGMA user_version = 99"), "written by a newer batch-tracker"),
        (lambda path: _execute(path, "PRAGMA application_id = 7"), "found one of another program"),
    ],
    ids=["cut off", "no database", "missing", "tampered", "newer", "foreign"],
)
async def test_a_bad_backup_changes_nothing(path, saved, spoil, said):
    """A backup that is not whole, or not ours, is refused before the database is touched."""
    spoil(saved)
    before = {name: path.with_name(name).read_bytes() for name in names(path)}
    with pytest.raises(StorageError, match=said):
        restore(saved, path, MOMENT)
    assert {name: path.with_name(name).read_bytes() for name in before} == before
    assert verify(path).events == 12
    assert not [name for name in names(path) if "partial" in name or "before" in name]


DYING = """
import os, pathlib, signal, sys
from tracker.store.sqlite.backups import restore
from tracker.store.sqlite.files import displaced_database
left = int(sys.argv[1])
def dies_before(owner, name):
    does = getattr(owner, name)
    def counted(*arguments, **how):
        global left
        if str(arguments[0]).startswith(sys.argv[3]):  # the database, or what is beside it
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
        return does(*arguments, **how)
    setattr(owner, name, counted)
dies_before(displaced_database, "link"), dies_before(pathlib.Path, "unlink"), dies_before(pathlib.Path, "replace")
restore.restore(pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), "MOMENT")
"""


async def test_killed_at_any_moment_it_leaves_the_old_one_or_the_new_one(path, saved):
    """The next to open the database finds all that was in it, its WAL too, or the backup; and so does another restore."""
    originals = {suffix: path.with_name(path.name + suffix).read_bytes() for suffix in ("", "-wal")}
    left, found = 0, []
    while True:
        for each in path.parent.glob(f"{path.name}*"):
            each.unlink()
        for suffix, content in originals.items():
            path.with_name(path.name + suffix).write_bytes(content)
        command = [sys.executable, "-c", DYING, str(left), str(saved), str(path)]
        if (status := (await anyio.run_process(command, check=False)).returncode) == 0:
            break
        assert status == -signal.SIGKILL
        async with open_store(path):
            found.append(verify(path).events)
        assert not list(path.parent.glob("*before*")), "it was taken back"
        left += 1
    assert found == [12] * left
    assert left > 6
    assert verify(path).events == 10


async def test_no_name_goes_before_another_is_on_the_disk(path, saved, monkeypatch):  # noqa: ARG001 - which leaves a WAL
    """Both ways the folder is synced while each file has two names: whenever the power fails, one of them is left."""
    database, listed = path.with_name("tracker[1].db"), []
    for suffix in ("", "-wal"):
        path.with_name(path.name + suffix).replace(database.with_name(database.name + suffix))
    before, aside = names(path), f"{database.name}.before-restore-{MOMENT}"
    monkeypatch.setattr(
        "tracker.store.sqlite.files.displaced_database.sync_directory", lambda _folder: listed.append(names(path))
    )
    displace(database, MOMENT)
    undo_displacement(database)
    assert listed == [sorted([*before, aside, f"{aside}-wal"]), sorted([*before, aside])]
    assert names(path) == before


@pytest.mark.parametrize("step", ["link", "unlink", "replace"])
async def test_what_cannot_be_exchanged_stays(path, saved, monkeypatch, step):
    """Where the file system refuses one of the steps, the database is as it was, with its WAL, and nothing else is left."""
    refuses = Mock(side_effect=OSError(errno.EIO, "Input/output error"))
    before = names(path)
    with monkeypatch.context() as broken:
        if step == "link":
            broken.setattr("tracker.store.sqlite.files.displaced_database.link", refuses)
        else:
            does, there = getattr(Path, step), f"{path}-shm" if step == "unlink" else f"{path}.partial"
            broken.setattr(Path, step, lambda each, *to, **how: (refuses if str(each) == there else does)(each, *to, **how))
        with pytest.raises(StorageError, match="Input/output error"):
            restore(saved, path, MOMENT)
    refuses.assert_called_once()
    assert names(path) == before
    assert verify(path).events == 12


async def test_never_under_a_running_daemon(path, saved):
    """While a process writes to the database it stays, and that process is named."""
    async with open_store(path):
        with pytest.raises(InUseError, match=f"in use by another batch-tracker, process {os.getpid()}"):
            restore(saved, path, MOMENT)
    assert verify(path).events == 12


async def test_the_database_is_no_backup_of_itself(path, saved, tmp_path):
    """Naming the database itself is an error that says so."""
    (tmp_path / "link.db").symlink_to(path)
    with pytest.raises(UnfitTargetError, match="this is the database itself"):
        restore(tmp_path / "link.db", path, MOMENT)
    assert saved.exists()


async def test_a_backup_of_an_older_version(path, tmp_path):
    """What an older version wrote is brought up to date on the way, and the backup is left as it was."""
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        connection.executescript(f"{MIGRATIONS[0]} PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;")
    before = old.read_bytes()
    restore(old, path, MOMENT)
    assert verify(path).events == 0
    assert old.read_bytes() == before


async def test_root_gives_it_to_whom_it_belongs(path, saved, tmp_path):
    """What root restores, and the lock that it makes, a service under its own user can open."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    os.chown(path, 65534, 65534)
    restore(saved, path, MOMENT)
    new = tmp_path / "state" / "tracker.db"
    new.parent.mkdir()
    os.chown(new.parent, 65534, 65534)
    restore(saved, new, MOMENT)
    for file in (path, new, new.with_name("tracker.db.lock")):
        assert (file.stat().st_uid, file.stat().st_gid) == (65534, 65534)


def _execute(path, sql):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)
