"""`backup` and `restore` as commands: beside a daemon under load, killed on the way, and the daemon that goes on afterwards."""

import json
import signal

import anyio
import pytest
from fixed_receiver import answering
from matrix import matrix
from tracking import COMMAND, Installation, simulated

from tracker.core.queries.filters import DeliveryFilter, EventFilter
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_reader

RECEIVER = """
[[receivers]]
name = "pipeline"
kind = "webhook"
url = "{url}/hook"
events = ["*"]
"""
STUCK = """
import sys, time
import tracker.store.sqlite.backups.backup

def verified_contents(database, path, segments):
    print("proving", flush=True)
    time.sleep(600)

tracker.store.sqlite.backups.backup.verified_contents = verified_contents
"""


async def log_of(path):
    async with open_reader(path) as reader:
        return [json.loads(body) for _, body in await reader.events(0, EventFilter(), limit=-1)]


async def delivered(path):
    async with open_reader(path) as reader:
        found = await reader.deliveries((0, ""), DeliveryFilter(states=["delivered"]), limit=10_000)
        return [each["event_id"] for each in found]


@pytest.mark.slow
async def test_backups_under_load_are_prefixes_of_the_log(tmp_path):
    """While the daemon writes without a pause each backup is proved and a prefix of the log, and the daemon never stumbles."""
    async with simulated(speed=300.0, jobs=100) as simulator:
        installation = Installation(tmp_path, simulator.url, poll_interval="50ms", requests_per_second=1000)
        async with installation.running() as daemon:
            await installation.wait_for_events(lambda events: len(events) > 100)
            done = [await installation.command("backup", str(tmp_path / f"{number}.db")) for number in range(4)]
            assert await daemon.stop(signal.SIGTERM) == 0
    log = await log_of(installation.database)
    copies = [await log_of(tmp_path / f"{number}.db") for number in range(4)]
    assert 100 < len(copies[0]) < len(copies[-1]) <= len(log)
    for number, copy in enumerate(copies):
        verdict = verify(tmp_path / f"{number}.db")
        assert (copy, verdict.differences) == (log[: len(copy)], ())
        said = f"{tmp_path}/{number}.db: {len(copy)} events up to seq {len(copy)}, {verdict.jobs} jobs, "
        assert (done[number].returncode, done[number].stdout.startswith(said), done[number].stderr) == (0, True, "")
    assert [line for line in daemon.lines if line["level"] not in ("info", "warning")] == []
    assert "storage.failed" not in {line["event"] for line in daemon.lines}


@pytest.mark.slow
async def test_killed_on_the_way_it_leaves_no_half_file(tmp_path):
    """A backup that is killed before it is proved leaves the name as it was, and the next one finds nothing in its way."""
    async with simulated(jobs=10) as simulator:
        installation = Installation(tmp_path, simulator.url)
        async with installation.running():
            await installation.wait_for_events(lambda events: len(events) > 5)
            (tmp_path / "sitecustomize.py").write_text(STUCK)
            target = tmp_path / "copy.db"
            command = [*COMMAND, "--config", str(installation.config), "backup", str(target)]
            environment = installation.environment | {"PYTHONPATH": str(tmp_path)}
            async with await anyio.open_process(command, stderr=None, env=environment) as stuck:
                with anyio.fail_after(30):
                    assert await stuck.stdout.receive() == b"proving\n"
                assert not target.exists()
                assert target.with_name("copy.db.partial").stat().st_mode & 0o777 == 0o600
                stuck.send_signal(signal.SIGKILL)
                assert await stuck.wait() == -signal.SIGKILL
            assert not target.exists()
            assert (await installation.command("backup", str(target))).returncode == 0
    assert sorted(path.name for path in tmp_path.glob("copy.db*")) == ["copy.db"]


@pytest.mark.slow
async def test_the_daemon_goes_on_from_a_restored_backup(tmp_path):
    """Restored, it delivers nothing again that the backup has as delivered, has no gap, and sees again how every job ended."""
    async with simulated(jobs=30) as simulator, answering() as receiver:
        installation = Installation(tmp_path, simulator.url)
        with installation.config.open("a") as config:
            config.write(RECEIVER.format(url=receiver.url))
        backup = tmp_path / "backup.db"
        async with installation.running() as daemon:
            await installation.wait_for_events(lambda events: len(events) > 40)
            await receiver.wait_for(10)
            assert (await installation.command("backup", str(backup))).returncode == 0
            refused = await installation.command("restore", str(backup))
            assert (refused.returncode, f"process {daemon.process.pid}" in refused.stderr) == (1, True)
            saved = await log_of(backup)
            await installation.wait_for_events(lambda events: len(events) > len(saved) + 40)
            assert await daemon.stop(signal.SIGKILL) == -signal.SIGKILL
        lost = (await log_of(installation.database))[len(saved) :]
        restored = await installation.command("restore", str(backup))
        assert (restored.returncode, restored.stderr) == (0, "")
        assert f"the log goes on with seq {len(saved) + 1}" in restored.stdout
        (aside,) = tmp_path.glob("tracker.db.before-restore-*Z")
        assert await log_of(aside) == saved + lost
        receiver.got.clear()
        async with installation.running() as daemon:
            ended = {event["data"]["id"] for event in lost if event["type"] in ("batch.completed", "batch.failed")}
            assert ended
            events = await installation.wait_for_events(lambda events: ended <= _ended(events))
            await receiver.wait_for(1)
            assert await daemon.stop(signal.SIGTERM) == 0
    assert events[: len(saved)] == saved
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    again = {headers["webhook-id"] for _, headers, _ in receiver.got}
    assert again
    assert again.isdisjoint(await delivered(backup))
    assert again.isdisjoint(event["id"] for event in lost), "what is observed again has an ID of its own"
    assert (await installation.command("verify")).returncode == 0


def _ended(events):
    return {event["data"]["id"] for event in events if event["type"] in ("batch.completed", "batch.failed")}


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    matrix(
        [
            (["backup", "-"], 2, "found '-' for FILE, expected a file"),
            (["backup"], 2, "Missing argument 'FILE'"),
            (["backup", "tracker.db"], 2, "this belongs to the database itself, expected another file"),
            (["backup", "tracker.db-wal", "--force"], 2, "this belongs to the database itself"),
            (["backup", "."], 2, "this is a directory, expected a file"),
            (["backup", "tracker.toml"], 1, "there is a file already; --force replaces it"),
            (["backup", "none/copy.db"], 1, "No such file or directory"),
            (["backup", "copy.db"], 1, "there is no database"),
            (["restore", "none.db"], 1, "there is no such file"),
            (["restore", "tracker.toml"], 1, "file is not a database"),
            (["restore", "tracker.db"], 1, "there is no such file"),
        ]
    ),
)
async def test_wrong_use(tmp_path, arguments, status, said):
    """Each mistake is explained, has its status, and leaves no file behind."""
    installation = Installation(tmp_path, "http://127.0.0.1:1")
    command = [*COMMAND, "--config", str(installation.config), *arguments]
    done = await anyio.run_process(command, check=False, cwd=tmp_path, env={**installation.environment, "COLUMNS": "300"})
    assert (done.returncode, done.stdout) == (status, b"")
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
    assert {path.name for path in tmp_path.iterdir()} <= {"tracker.toml", "tracker.db.lock"}
