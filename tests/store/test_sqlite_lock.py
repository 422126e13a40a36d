"""One process writes to a database file, ever."""

import os
import signal
import subprocess
import sys
from contextlib import contextmanager

import pytest
from job_changes import seen

from tracker.core.errors.storage_error import StorageError
from tracker.store.database_file_commands import is_in_use
from tracker.store.opening import open_store
from tracker.store.sqlite.files import lock

HOLDS = """
import sys, anyio
from pathlib import Path
from tracker.store.opening import open_store

async def main():
    async with open_store(Path(sys.argv[1])):
        print("open", flush=True)
        sys.stdin.read()

anyio.run(main)
"""


@contextmanager
def another_process(path):
    """A process that has the database open for writing while the context lasts."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.kill()


async def refusal(path):
    """What opening says."""
    with pytest.raises(StorageError) as caught:
        async with open_store(path):
            pass
    return str(caught.value)


async def test_a_second_process_is_refused(path):
    """Where a process writes another is refused, with the database and the number of the one that has it."""
    with another_process(path) as holder:
        assert await refusal(path) == f"{path}: in use by another batch-tracker, process {holder.pid}"


async def test_a_second_store_of_the_same_process_is_refused(path):
    """The lock holds within a process too, and is free once the first store is closed."""
    async with open_store(path):
        assert await refusal(path) == f"{path}: in use by another batch-tracker, process {os.getpid()}"
    async with open_store(path) as store:
        await store.record("default", [seen()])


async def test_a_killed_holder_leaves_nothing(path):
    """After SIGKILL of the process that held it the database opens at once."""
    with another_process(path) as holder:
        holder.send_signal(signal.SIGKILL)
        holder.wait(timeout=30)
        async with open_store(path) as store:
            await store.record("default", [seen()])


@pytest.mark.parametrize("through", ["file", "directory", "link to a link"])
async def test_two_names_of_one_file_share_the_lock(tmp_path, through):
    """A symbolic link to the database, or to its directory, is no way round the lock."""
    (tmp_path / "real").mkdir()
    path = tmp_path / "real" / "tracker.db"
    if through == "directory":
        (tmp_path / "link").symlink_to(path.parent, target_is_directory=True)
        name = tmp_path / "link" / "tracker.db"
    else:
        name = tmp_path / "link.db"
        name.symlink_to(path)
    if through == "link to a link":
        (tmp_path / "second.db").symlink_to("link.db")
        name = tmp_path / "second.db"
    with another_process(name) as holder:
        assert await refusal(path) == f"{path}: in use by another batch-tracker, process {holder.pid}"
    with another_process(path) as holder:
        assert await refusal(name) == f"{path}: in use by another batch-tracker, process {holder.pid}"


async def test_a_link_to_itself_is_refused(path):
    """A symbolic link that leads nowhere is an error that says so."""
    path.symlink_to(path)
    assert await refusal(path) == f"{path}: cannot be opened: Too many levels of symbolic links"


async def test_the_lock_of_another_database_is_another(tmp_path):
    """Two databases in one directory do not share a lock."""
    async with open_store(tmp_path / "a.db"), open_store(tmp_path / "b.db") as store:
        await store.record("default", [seen()])


async def test_a_refused_file_is_not_held(path):
    """Where opening fails for another reason the lock is given back."""
    path.write_bytes(b"not a database" * 999)
    assert "another kind of file" in await refusal(path)
    path.unlink()
    async with open_store(path) as store:
        assert await store.probe() is None


async def test_a_lock_that_cannot_be_made_is_an_error(path):
    """Where the lock file cannot be opened, the error has its name and the reason."""
    path.with_name("tracker.db.lock").mkdir()
    assert await refusal(path) == f"{path}.lock: cannot be opened: Is a directory"
    assert not path.exists()


@pytest.mark.parametrize("has_list", [True, False], ids=["by the system's list", "without that list"])
async def test_whether_a_process_has_the_database_is_known_without_asking_it(path, monkeypatch, tmp_path, has_list):
    """A reader knows whether a daemon has the file: not before, while it is open, and not after its process was killed."""
    if not has_list:
        monkeypatch.setattr(lock, "_LOCKS", tmp_path / "missing")
    assert not is_in_use(path)
    async with open_store(path):
        assert is_in_use(path)
    with another_process(path) as holder:
        assert is_in_use(path)
        holder.kill()
        holder.wait()
        assert not is_in_use(path)


async def test_a_list_of_locks_with_other_device_numbers_is_understood(path, monkeypatch, tmp_path):
    """As btrfs and overlayfs have it: the number of the file and the process of the lock file are enough."""
    foreign = tmp_path / "locks"
    monkeypatch.setattr(lock, "_LOCKS", foreign)
    async with open_store(path):
        line = f"1: FLOCK  ADVISORY  WRITE %s ff:ff:{path.stat().st_ino} 0 EOF\n"
        foreign.write_text(line % os.getpid())
        assert is_in_use(path)
        foreign.write_text(line % (os.getpid() + 1))
        assert not is_in_use(path)


@pytest.mark.parametrize("left", ["", "0", "-1", "x", "99999999999999999999", "²"], ids=repr)
async def test_a_lock_file_that_names_no_process_is_no_daemon(path, monkeypatch, tmp_path, left):
    """Whatever a lock file holds, no process is signaled for it, and nothing is taken for a daemon."""
    monkeypatch.setattr(lock, "_LOCKS", tmp_path / "missing")
    async with open_store(path):
        pass
    path.with_name(path.name + ".lock").write_text(left)
    assert not is_in_use(path)
