"""Root in a directory of another user: it follows no link of that user, and changes nothing but what that user may change."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from click.testing import CliRunner
from job_changes import seen_many
from temporary_files import reachable_by_all

from tracker.cli import group
from tracker.cli.deliveries.daemon_or_offline_change import change_deliveries
from tracker.core.errors.storage_error import StorageError
from tracker.daemon.control.control_client import is_running
from tracker.daemon.control.control_file import Unreachable, control_file_path
from tracker.http.client import http_client, tls_context
from tracker.store.database_file_commands import back_up, restore, verify
from tracker.store.opening import open_store
from tracker.store.sqlite.files.ownership import real_path
from tracker.store.sqlite.files.privileges import as_owner_of
from tracker.store.sqlite.writing import store as writer

UNPRIVILEGED = 65534
MOMENT = "20250625T142010Z"
SECRET = b"root's own"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users; CI runs as root")


@pytest.fixture
def top():
    """A directory that an unprivileged user can reach."""
    with tempfile.TemporaryDirectory(dir=reachable_by_all()) as top:
        Path(top).chmod(0o755)
        yield Path(top)


@pytest.fixture
async def state(top, tmp_path):
    """A directory of an unprivileged user, with a database of three events; the user owns all of it."""
    state = top / "state"
    state.mkdir()
    async with open_store(state / "tracker.db") as store:
        await store.record("default", seen_many(3))
    back_up(state / "tracker.db", tmp_path / "backup.db")
    (state / "tracker.db.lock").unlink()
    for each in (state, *state.iterdir()):
        os.chown(each, UNPRIVILEGED, UNPRIVILEGED)
    return state


@pytest.fixture
def victim(top):
    """A file of root's."""
    file = top / "victim"
    file.write_bytes(SECRET)
    file.chmod(0o600)
    return file


def as_nobody(*command):
    """Run the command as a process of the unprivileged user."""
    subprocess.run(command, check=True, user=UNPRIVILEGED, group=UNPRIVILEGED, extra_groups=[], timeout=60)


def symlink(target, name):
    as_nobody("ln", "-sfn", target, name)


def dangling(target, name):
    symlink(target.with_name("new"), name)


def hard_link(target, name):
    name.unlink(missing_ok=True)
    name.hardlink_to(target)  # as the user may where fs.protected_hardlinks is off


def named_pipe(_target, name):
    name.unlink(missing_ok=True)
    as_nobody("mkfifo", name)


async def _restore(database, tmp_path):
    restore(tmp_path / "backup.db", database, MOMENT)


async def _replay(database, _tmp_path):
    """What `replay` and `deliveries --move` do where no daemon runs."""

    async def by_daemon(_file):
        return Unreachable("none is running")

    async def offline(store):
        return await store.probe()

    assert await change_deliveries(database, "pipeline", by_daemon, offline) == (
        None,
        "no daemon is running: they go out once it does",
    )


async def _run(database, _tmp_path):
    async with open_store(database):
        pass


DOES = {"restore": _restore, "replay": _replay, "run": _run}
LINKS = {"symbolic link": symlink, "dangling link": dangling, "hard link": hard_link, "named pipe": named_pipe}
REFUSED = ".*(not opened|not followed|denied|no database|no regular file)"
FILES = ["", "-wal", "-shm", "-journal", ".lock"]


@pytest.mark.parametrize("suffix", FILES, ids=lambda suffix: suffix or "database")
@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
async def test_no_file_of_root_is_reached_through_a_link(state, victim, tmp_path, suffix, link):
    """Whatever stands in the place of the database or its companions: the error names it, and no file of root changes."""
    database = state / "tracker.db"
    link(victim, database.with_name(database.name + suffix))
    before = victim.stat()
    for does in DOES.values():
        with pytest.raises(StorageError, match=rf"tracker\.db{suffix}: {REFUSED}"):
            await does(database, tmp_path)
    after = victim.stat()
    assert (after.st_uid, after.st_mode, after.st_mtime_ns) == (before.st_uid, before.st_mode, before.st_mtime_ns)
    assert victim.read_bytes() == SECRET
    assert not victim.with_name("new").exists()
    assert os.geteuid() == 0


@pytest.mark.parametrize("link", LINKS.values(), ids=LINKS)
async def test_a_partial_file_is_no_way_either(state, victim, tmp_path, link):
    """What is written before it gets its name, by `restore` and by `backup`, is written into no file of root's."""
    link(victim, state / "tracker.db.partial")
    with pytest.raises(StorageError, match=r"tracker.db.partial: .*(not opened|denied)"):
        restore(tmp_path / "backup.db", state / "tracker.db", MOMENT)
    link(victim, state / "copy.db.partial")
    with pytest.raises(StorageError, match=r"copy.db.partial: .*(not opened|denied)"):
        back_up(tmp_path / "backup.db", state / "copy.db")
    assert victim.read_bytes() == SECRET
    assert victim.stat().st_uid == 0
    assert not victim.with_name("new").exists()


@pytest.mark.parametrize("link", [symlink, dangling], ids=["symbolic link", "dangling link"])
async def test_a_backup_goes_through_no_link_of_another_user(state, victim, tmp_path, link):
    """`backup FILE --force` where FILE is a link that another user made replaces nothing, and makes nothing."""
    link(victim, state / "copy.db")
    with pytest.raises(StorageError, match="a symbolic link made by user 65534, expected one of root"):
        back_up(tmp_path / "backup.db", state / "copy.db", overwrite=True)
    assert victim.read_bytes() == SECRET
    assert sorted(each.name for each in tmp_path.iterdir()) == ["backup.db"]
    assert sorted(each.name for each in victim.parent.iterdir()) == ["state", "victim"]


@pytest.mark.parametrize(
    "command", [["restore", "{backup}"], ["replay", "--receiver", "hook", "--dead"]], ids=lambda given: given[0]
)
async def test_the_commands_say_what_is_wrong(state, victim, tmp_path, command):
    """The real commands end with status 1 and a sentence that names the link; the file that it leads to stays root's."""
    symlink(victim, state / "tracker.db.lock")
    config = tmp_path / "tracker.toml"
    config.write_text(
        f'[storage]\npath = "{state}/tracker.db"\n[[receivers]]\nname = "hook"\nkind = "webhook"\nurl = "https://hook.example"\n'
    )
    given = [each.format(backup=tmp_path / "backup.db") for each in command]
    said = await anyio.to_thread.run_sync(CliRunner().invoke, group, ["--config", str(config), *given])
    assert f"{state}/tracker.db.lock: found a symbolic link" in f"{said.exception!r}{said.output}"
    assert said.exit_code == 1
    assert (victim.read_bytes(), victim.stat().st_uid) == (SECRET, 0)


@pytest.mark.parametrize("does", [_restore, _replay], ids=["restore", "replay"])
async def test_a_link_made_after_every_check_reaches_only_what_its_user_may_change(state, tmp_path, monkeypatch, does):
    """A user who puts a link where SQLite opens a file, after the checks, gains nothing by it."""
    database, theirs = state / "tracker.db", tmp_path / "other.db"
    shutil.copy(database, theirs)
    theirs.chmod(0o600)
    before = theirs.read_bytes()
    does_migrate = writer.migrate

    def overtaken(path):
        path.unlink()
        path.symlink_to(theirs)
        does_migrate(path)

    monkeypatch.setattr("tracker.store.sqlite.writing.store.migrate", overtaken)
    monkeypatch.setattr("tracker.store.sqlite.backups.restore.migrate", overtaken)
    with pytest.raises(StorageError):
        await does(database, tmp_path)
    assert (theirs.read_bytes(), theirs.stat().st_uid) == (before, 0)


@pytest.mark.parametrize("mode", [0o755, 0o700], ids=["reachable", "below a directory of root's alone"])
async def test_what_root_makes_there_belongs_to_the_user(state, tmp_path, mode):
    """Root restores, replays and backs up in the directory, and its user can open all of it, as under /var/lib/private."""
    state.parent.chmod(mode)
    (tmp_path / "backup.db").chmod(0o600)
    tmp_path.chmod(0o700)
    restored = restore(tmp_path / "backup.db", state / "tracker.db", MOMENT)
    assert restored.contents.events == 3
    await _replay(state / "tracker.db", tmp_path)
    assert back_up(state / "tracker.db", state / "copy.db").events == 3
    made = {each.name: each.stat().st_uid for each in state.iterdir()}
    assert {"tracker.db", "tracker.db.lock", "copy.db", f"tracker.db.before-restore-{MOMENT}"} <= made.keys()
    assert {*made.values()} == {UNPRIVILEGED}
    assert verify(state / "copy.db").events == 3
    assert (os.geteuid(), os.getegid()) == (0, 0)


async def test_a_link_of_root_or_of_oneself_is_followed(state, tmp_path):
    """Links that a trusted user made still lead to the database, by however many of them."""
    (tmp_path / "state").symlink_to(state)
    (tmp_path / "link.db").symlink_to("state/tracker.db")
    assert real_path(tmp_path / "link.db") == state / "tracker.db"
    assert real_path(tmp_path / "state" / ".." / "state") == state
    assert restore(tmp_path / "backup.db", tmp_path / "link.db", MOMENT).contents.events == 3
    symlink(state / "tracker.db", state / "own.db")
    with as_owner_of(state):
        assert real_path(state / "own.db") == state / "tracker.db"


async def test_a_file_that_another_user_put_into_a_shared_directory_is_not_opened(tmp_path):
    """In a directory that others may write to, a lock made by one of them is not taken for ours."""
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    lock = shared / "tracker.db.lock"
    lock.touch()
    os.chown(lock, UNPRIVILEGED, UNPRIVILEGED)
    with pytest.raises(StorageError, match="lock: found a file of user 65534, expected one of root"):
        await _run(shared / "tracker.db", tmp_path)
    assert not (shared / "tracker.db").exists()


async def test_only_a_lock_that_root_has_just_made_is_given_away(state):
    """A daemon of root's gives its new lock to the directory's owner, and one that is there keeps its owner."""
    lock = state / "tracker.db.lock"
    await _run(state / "tracker.db", None)
    assert lock.stat().st_uid == UNPRIVILEGED
    os.chown(lock, 0, 0)
    await _run(state / "tracker.db", None)
    assert lock.stat().st_uid == 0


@pytest.mark.parametrize("link", [symlink, named_pipe], ids=["symbolic link", "named pipe"])
async def test_the_control_file_is_no_link_and_no_pipe(state, victim, link):
    """Looking for the daemon ends at once where a link or a pipe stands in the place of its file."""
    link(victim, control_file_path(state / "tracker.db"))
    async with http_client(tls_context()) as http:
        assert not await is_running(state / "tracker.db", http)


async def test_a_pipe_in_the_place_of_the_database_is_an_error(state):
    """A command that reads does not wait for the other end of a named pipe."""
    named_pipe(None, state / "tracker.db")
    with pytest.raises(StorageError, match="no regular file"):
        verify(state / "tracker.db")


async def test_an_absolute_path_needs_no_working_directory(tmp_path, monkeypatch):
    """Where the working directory was removed, an absolute path works, and a relative one is an error."""
    (gone := tmp_path / "gone").mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert real_path(tmp_path / "tracker.db") == tmp_path / "tracker.db"
    with pytest.raises(StorageError, match=r"tracker.db: the working directory cannot be found"):
        real_path(Path("tracker.db"))
