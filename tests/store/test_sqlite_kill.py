"""SIGKILL at any moment: what was acknowledged is in the file."""

import random
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from engines import Sqlite
from job_changes import seen

from tracker.store.database_file_commands import verify
from tracker.store.opening import open_store

RECORDS = """
import sys, anyio
from pathlib import Path
from job_changes import CHECKPOINT, moved, seen
from tracker.store.opening import open_store

async def main():
    path, run = Path(sys.argv[1]), sys.argv[2]
    async with open_store(path) as store:
        await store.checkpoint("default", CHECKPOINT)
        count = 0
        while True:
            count += 1
            change = seen(f"job-{run}-{count}", status="RUNNING", metadata={"note": "x" * 500})
            await store.record("default", [change, moved(change, status="SUCCESS")], watermark=count)
            print(count, flush=True)

anyio.run(main)
"""


def recorded_until_killed(path, directory, run, after):
    """How many records a process acknowledged that was killed some time after its `after`th."""
    with subprocess.Popen(
        [sys.executable, "-c", RECORDS, path, str(run)], stdout=subprocess.PIPE, cwd=directory, text=True
    ) as process:
        for _ in range(after):
            assert process.stdout.readline()
        process.kill()
        return after + len(process.stdout.read().splitlines())


@pytest.mark.timeout(120)
async def test_nothing_acknowledged_is_lost(path, request):
    """Of a process that is killed while it records, every record that returned is whole in the file, which is sound."""
    chance = random.Random(20250615)
    acknowledged = {}
    for run in range(5):
        acknowledged[run] = recorded_until_killed(path, request.path.parents[1], run, chance.randint(1, 60))
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        log = await Sqlite(path.parent).log()
        assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
        for earlier, count in acknowledged.items():
            logged = [event["data"]["id"] for event in log if event["data"]["id"].startswith(f"job-{earlier}-")]
            assert logged in (_ids(earlier, count), _ids(earlier, count + 1))  # the last may have had no time to say so
        assert verify(path).differences == ()
    async with open_store(path) as store:
        await store.record("default", [seen("after")])


def _ids(run, count):
    return [f"job-{run}-{number}" for number in range(1, count + 1) for _ in range(3)]
