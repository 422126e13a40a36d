"""The lists of the commands where jobs are of several vendors: each job says whose it is."""

import json

import anyio
import pytest
from click.testing import CliRunner
from job_changes import SINCE, seen

from tracker.cli import group
from tracker.store.opening import open_store

THEIRS = {"provider": "anthropic", "native": {"processing_status": "in_progress"}, "expires_at": SINCE // 1000 + 7200}
ACCOUNT = '[[accounts]]\nname = "{}"\nprovider = "{}"\napi_key = {{ env = "MISTRAL_API_KEY" }}\n'


@pytest.fixture
def run(tmp_path):
    """Run a command over a log that has a job of Mistral's and one of Anthropic's, or those that a test gives."""
    config = tmp_path / "tracker.toml"
    accounts = ACCOUNT.format("one", "mistral") + ACCOUNT.format("two", "anthropic")
    config.write_text(f"[storage]\npath = {json.dumps(str(tmp_path / 'tracker.db'))}\n{accounts}", "utf-8")

    async def fill(*changes):
        async with open_store(tmp_path / "tracker.db", []) as store:
            for change in changes:
                await store.record(change.account, [change])

    def run(*arguments, jobs=None):
        counted = {"status": "RUNNING", "total_requests": 40}
        mine, theirs = seen("mine", account="one", **counted), seen("theirs", account="two", extra=THEIRS, **counted)
        anyio.run(fill, *([mine, theirs] if jobs is None else jobs))
        done = CliRunner().invoke(group, ["--config", str(config), *arguments])
        assert done.exit_code == 0, done.output
        return done.stdout

    return run


def test_table_of_jobs_has_a_column_for_the_vendor(run):
    """Where the jobs are of several vendors, each row has its own, and a share of 0 % only where it was counted."""
    header, *rows = [" ".join(line.split()) for line in run("jobs").splitlines()]
    assert header.startswith("status job account vendor")
    mine, theirs = sorted(row.removeprefix("RUNNING ") for row in rows)
    assert (mine.startswith("mine one mistral"), "0/40 0 %" in mine) == (True, True)
    assert (theirs.startswith("theirs two anthropic"), "40 requests" in theirs, "0 %" in theirs) == (True, True, False)


def test_table_of_one_vendors_jobs_has_no_such_column(run):
    """Of one vendor alone nothing needs to be said."""
    assert "vendor" not in run("jobs", "--provider", "anthropic").splitlines()[0]


def test_job_has_its_vendor_and_its_deadline(run):
    """The deadline that the vendor states is a time, not a number of seconds."""
    shown = {line.split()[0]: line.split()[1:] for line in run("job", "theirs").splitlines() if line.strip()}
    assert shown["provider"] == ["anthropic"]
    assert shown["expires_at"][0].startswith("2025-06-15")
    assert json.loads(run("job", "theirs", "--json", jobs=[]))["native"] == THEIRS["native"]
