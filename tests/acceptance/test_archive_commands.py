"""`keep_events` with the real command: old events move, and every command finds them again or says where they are."""

import json
import signal

import pytest
from archived_log import EVENTS, write_old_log
from job_changes import seen, seen_many
from tracking import Installation, simulated

from tracker.store.opening import open_store


@pytest.fixture
async def moved(tmp_path):
    """An installation whose daemon has moved what is older than a day: it, and all events as they were logged."""
    async with simulated() as simulator:
        installation = Installation(tmp_path, simulator.url)
        logged = await write_old_log(installation.database)
        text = installation.config.read_text()
        installation.config.write_text(text.replace("[http]", 'keep_events = "1d"\n[http]'))
        async with installation.running() as daemon:
            line = await daemon.says("events.moved")
            assert (line["events"], line["first_seq"]) == (EVENTS - 1, EVENTS)
            assert await daemon.stop(signal.SIGTERM) == 0
        yield installation, logged


async def test_the_archive_and_the_log_are_one(moved):
    """`events --archive` lists all events as they were logged, with every filter; `verify` proves them; a damage is found."""
    installation, logged = moved

    async def listed(*options):
        done = await installation.command("events", "--json", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    assert await listed() == logged[-1:]
    assert await listed("--archive") == logged
    assert await listed("--archive", "--after", "4") == logged[4:]
    assert await listed("--archive", "--limit", "3") == logged[-3:]
    assert await listed("--archive", "--job", "old-1") == logged[3:6]
    wanted = [line for line in logged if json.loads(line)["type"] == "batch.completed"]
    assert await listed("--archive", "--type", "batch.completed") == wanted
    assert await listed("--archive", "--type", "batch.completed", "--limit", "2") == wanted[-2:]
    before = await installation.command("events", "--after", "4")
    assert (before.returncode, "the log begins with 12" in before.stderr) == (1, True)
    verified = await installation.command("verify")
    assert (verified.returncode, f"{EVENTS} events, 4 jobs" in verified.stdout) == (0, True)
    (segment,) = installation.database.with_name("tracker.db.segments").glob("*.zst")
    segment.write_bytes(segment.read_bytes()[:-10])
    verified = await installation.command("verify")
    assert (verified.returncode, segment.name in verified.stdout) == (1, True)
    damaged = await installation.command("events", "--archive")
    assert (damaged.returncode, segment.name in damaged.stderr) == (1, True)


async def test_a_job_whose_events_were_moved_is_shown(moved):
    """`job` shows it, and says that its events are in the archive; a replay of one says why it cannot be."""
    installation, _ = moved
    shown = await installation.command("job", "old-0")
    assert (shown.returncode, "events --archive" in shown.stdout) == (0, True)
    kept = await installation.command("job", "old-0", "--json")
    assert json.loads(kept.stdout)["status"] == "SUCCESS"


async def test_check_says_what_the_log_may_grow_by(tmp_path):
    """`check` counts the active jobs of each account, by the interval at which they may log, and says what is kept."""
    installation = Installation(tmp_path, "http://127.0.0.1:9", poll_interval="15s", progress_every="1m")
    async with open_store(installation.database) as store:
        await store.record("default", [*seen_many(2, status="RUNNING"), seen("over", status="SUCCESS")])
    checked = await installation.command("check")
    assert "up to 913.0 KB a day of account default: 2 active, each may log progress every 1m" in checked.stdout
    assert "all events are kept in the database" in checked.stdout
    text = installation.config.read_text()
    installation.config.write_text(text.replace("[http]", 'keep_events = "90d"\n[http]'))
    checked = await installation.command("check")
    assert "events older than 90d 0h move into segments" in checked.stdout
