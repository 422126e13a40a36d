"""What a command costs before it has done anything: the real one, beside an interpreter that does nothing."""

import subprocess
import sys

import anyio
import pytest
from canned import job

from tracker.core.events.job_diff import first_seen
from tracker.core.jobs.job_reading import read_job
from tracker.store.opening import open_store

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

RUNS = 5
NOW = 1_795_500_000_000


async def _with_one_event(database):
    async with open_store(database) as store:
        await store.record("default", [first_seen("default", read_job(job(1) | {"status": "QUEUED"}), NOW)])


def test_starting(compare, tmp_path):
    """Both give their answer (targets: 2 and 4 times an interpreter that does nothing)."""
    database = tmp_path / "tracker.db"
    anyio.run(_with_one_event, database)
    config = tmp_path / "tracker.toml"
    config.write_text(f'[storage]\npath = "{database}"\n[[accounts]]\nname = "default"\napi_key = {{ env = "KEY" }}\n')
    tracker = [sys.executable, "-m", "tracker"]
    ways = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "batch-tracker --help": [*tracker, "--help"],
        "batch-tracker events --json": [*tracker, "events", "--json", "--config", str(config)],
    }
    comparison = compare("from the start of a command to its end")
    printed = {}
    for _ in range(RUNS):
        for way, command in ways.items():
            with comparison.time(way):
                done = subprocess.run(command, capture_output=True, check=False, env={"KEY": "k", "PATH": ""}, timeout=60)
            assert done.returncode == 0, done.stderr
            printed[way] = done.stdout
    assert b"events" in printed["batch-tracker --help"]
    assert printed["batch-tracker events --json"].count(b"batch.created") == 1
