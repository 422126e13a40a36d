"""Two processes and one database: one of them writes, the other learns who has it, whatever it calls the file."""

import os
import signal
import subprocess
import tempfile
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import anyio
import msgspec
import pytest
from loopback import unreachable_url
from planting import plant
from programs import program
from recording_receiver import RecordingReceiver, give
from simulated_jobs import begin, end
from tracking import COMMAND, Installation, simulated
from truth import Log

from tracker.daemon.control.control_file import ControlFile, control_file_path
from tracker.store.database_file_commands import back_up

WITHIN = 30
NO_LOCK_ON_THE_FILE = """
    from contextlib import nullcontext
    import tracker.store.sqlite.files.lock
    tracker.store.sqlite.files.lock.hold_database_file = lambda _database: nullcontext()
"""


@pytest.fixture
def installation(tmp_path):
    """An installation with an unreachable API: only who writes matters here."""
    with unreachable_url() as url:
        yield Installation(tmp_path, url)


def by_another_name(installation, name):
    """The same installation, its database called `name`, from a folder of its own."""
    folder = Path(tempfile.mkdtemp(dir=installation.config.parent))
    other = Installation(folder, "http://127.0.0.1:1")
    other.database = folder / name
    other.config.write_text(installation.config.read_text().replace(str(installation.database), str(name)))
    other.environment = installation.environment
    return other


def _soft(installation):
    link = installation.config.parent / "soft.db"
    link.symlink_to(installation.database.name)
    return link


def _soft_folder(installation):
    link = installation.config.parent / "folder"
    link.symlink_to(installation.config.parent, target_is_directory=True)
    return link / installation.database.name


def _hard(installation):
    """In another folder: neither the lock file nor the write-ahead log are beside it."""
    folder = installation.config.parent / "elsewhere"
    folder.mkdir()
    (folder / "hard.db").hardlink_to(installation.database)
    return folder / "hard.db"


def _its_lock_file_deleted(installation):
    installation.database.with_name("tracker.db.lock").unlink()
    return installation.database


NAMES = {
    "the same": lambda installation: installation.database,
    "relative": lambda installation: Path(os.path.relpath(installation.database)),
    "a symbolic link": _soft,
    "a folder's symbolic link": _soft_folder,
    "a hard link": _hard,
    "its lock file deleted": _its_lock_file_deleted,
}


class Begun:
    """A `run` that was begun: what it says until it is ready, or until its end."""

    def __init__(self, process):
        self.process = process
        self.said = ""

    @property
    def is_ready(self):
        return '"process.started"' in self.said

    async def listen(self):
        with anyio.fail_after(WITHIN):
            async for chunk in self.process.stderr:
                self.said += chunk.decode()
                if self.is_ready:
                    return
            await self.process.wait()


@asynccontextmanager
async def begun(installation):
    """A daemon, or what wanted to be one; it is stopped in the end."""
    command = [*COMMAND, "--config", str(installation.config), "run"]
    async with await anyio.open_process(command, env=installation.environment, stdin=subprocess.DEVNULL) as process:
        try:
            yield Begun(process)
        finally:
            if process.returncode is None:
                process.kill()


async def _tried(installation, names=tuple(NAMES)):
    """These ways to the file, while a daemon has it: by which of them `run` got ready, or `restore` did its work."""
    backup = installation.config.parent / "backup.db"
    got_in = []
    async with installation.running() as daemon:
        back_up(installation.database, backup)
        holder = f"in use by another batch-tracker, process {daemon.process.pid}"
        for how in names:
            other = by_another_name(installation, NAMES[how](installation))
            async with begun(other) as second:
                await second.listen()
                if second.is_ready or holder not in second.said or second.process.returncode != 1:
                    got_in.append((how, "run"))
            restored = await other.command("restore", str(backup))
            if holder not in restored.stderr or restored.returncode != 1:
                got_in.append((how, "restore"))
        assert await daemon.stop(signal.SIGTERM) == 0
    return got_in


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_second_daemon_is_refused(installation, tmp_path):
    """By whatever name it comes, a second `run` and a `restore` end with status 1, name the process, and change nothing."""
    assert await _tried(installation) == []
    assert not [*tmp_path.rglob("*before-restore*"), *tmp_path.rglob("*.partial")]
    Log(installation.database)


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_lock_on_the_name_alone_is_found(installation):
    """A product that locks a file beside the database, and not the database itself, lets others in."""
    plant(installation, NO_LOCK_ON_THE_FILE)
    others = ("a hard link", "its lock file deleted")
    assert {how for how, _ in await _tried(installation, ("the same", *others))} == {*others}


@pytest.mark.timeout(120)
async def test_of_many_at_once_one_has_it(installation):
    """Of three daemons that are started at once, on a file that is not there yet, one gets ready; the others name it."""
    async with AsyncExitStack() as stack:
        all_of_them = [await stack.enter_async_context(begun(installation)) for _ in range(3)]
        async with anyio.create_task_group() as group:
            for each in all_of_them:
                group.start_soon(each.listen)
        (first,) = [each for each in all_of_them if each.is_ready]
        for each in all_of_them:
            if each is not first:
                assert f"in use by another batch-tracker, process {first.process.pid}" in each.said
                assert each.process.returncode == 1


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_what_a_killed_daemon_leaves_stops_no_other(installation):
    """The lock file and the control file name a process that lives, as where a number is used again: it does not matter."""
    recorder = RecordingReceiver()
    recorder.url = "http://127.0.0.1:1/hook"
    give(installation, recorder)
    async with installation.running() as daemon:
        assert await daemon.stop(signal.SIGKILL) == -signal.SIGKILL
    lock, control = installation.database.with_name("tracker.db.lock"), control_file_path(installation.database)
    assert lock.read_text() == f"{daemon.process.pid}\n"
    async with await anyio.open_process(["sleep", "600"]) as another:
        lock.write_text(f"{another.pid}\n")
        left = msgspec.json.decode(control.read_bytes(), type=ControlFile)
        control.write_bytes(msgspec.json.encode(msgspec.structs.replace(left, process=another.pid)))
        try:
            replayed = await installation.command("replay", "--receiver", "everything", "--dead")
            assert "no delivery to everything is dead" in replayed.stderr
            async with installation.running() as daemon:
                assert lock.read_text() == f"{daemon.process.pid}\n"
                assert await daemon.stop(signal.SIGTERM) == 0
        finally:
            another.kill()


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_replay_is_left_to_the_daemon(tmp_path):
    """While a daemon runs `replay` opens nothing to write, and the daemon delivers; one that cannot be asked is named."""
    recorder = RecordingReceiver()
    async with simulated() as simulator, recorder.serving():
        installation = Installation(tmp_path, simulator.url)
        give(installation, recorder)
        (job,) = begin(simulator)
        async with installation.running() as daemon:
            await _has(recorder, 2)
            end(simulator, job)
            await _has(recorder, 3)
            answered, opened = await _replay(installation)
            assert "3 deliveries to everything pending again; they are on their way" in answered
            assert opened == []
            await _has(recorder, 6)
            assert set(Counter(recorder.ids).values()) == {2}
            control_file_path(installation.database).unlink()
            answered, opened = await _replay(installation)
            assert f"in use by another batch-tracker, process {daemon.process.pid}, and that cannot be asked" in answered
            assert opened == []
            assert await daemon.stop(signal.SIGTERM) == 0
    answered, opened = await _replay(installation)
    assert "no daemon is running" in answered
    assert opened, "who writes is not seen"


async def _has(recorder, number):
    while len(recorder.got) < number:
        await recorder.reads()


async def _replay(installation):
    """What it says, and where it opened a part of the database to write."""
    calls = installation.config.parent / "calls"
    traced = [program("strace", "strace"), "-f", "-e", "trace=openat", "-o", str(calls)]
    command = [*traced, *COMMAND, "--config", str(installation.config), "replay", "--receiver", "everything", "--from-seq", "1"]
    with anyio.fail_after(WITHIN):
        done = await anyio.run_process(command, check=False, env=installation.environment)
    names = [f'/{installation.database.name}{each}"' for each in ("", "-wal", "-journal")]
    lines = [line for line in calls.read_text().splitlines() if any(name in line for name in names)]
    return (done.stdout + done.stderr).decode(), [line for line in lines if "O_RDWR" in line or "O_WRONLY" in line]
