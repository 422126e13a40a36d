"""The names that the commands' filters are given: what neither the configuration nor the log has is a mistake, with a hint."""

import json

import anyio
import pytest
from click.testing import CliRunner
from job_changes import SINCE, moved, seen

from tracker.cli import group
from tracker.core.deliveries.fan_out import Subscription
from tracker.store.opening import open_store

CONFIG = """
[storage]
path = {path}
[[accounts]]
name = "research"
api_key = {{ env = "MISTRAL_API_KEY" }}
[[receivers]]
name = "pipeline"
kind = "webhook"
url = "http://127.0.0.1:1"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a command over a log of a former account and receiver, with a job whose status was once outside the schema."""
    folder = tmp_path_factory.mktemp("names")
    config = folder / "tracker.toml"
    config.write_text(CONFIG.format(path=json.dumps(str(folder / "tracker.db"))), "utf-8")

    async def fill():
        async with open_store(folder / "tracker.db", [Subscription(receiver="former", events=("*",))]) as store:
            change = seen("x", account="old", status="Paused", now=SINCE)
            await store.record("old", [change])
            await store.record("old", [moved(change, now=SINCE + 1, status="RUNNING")])

    anyio.run(fill)
    return lambda *arguments: CliRunner().invoke(group, ["--config", str(config), *arguments])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "events --type batch.complete",
            "'--type': found 'batch.complete', which matches no event type; did you mean 'batch.c",
        ),
        (
            "events --status compleeted",
            "'--status': found 'compleeted', which is no status of a job; there are: QUEUED, RUNNING",
        ),
        (
            "events --account researhc",
            "'--account': found 'researhc', expected the name of an account; did you mean 'research'?",
        ),
        ("jobs --status sucess", "'--status': found 'sucess', which is no status of a job; did you mean 'SUCCESS'?"),
        ("jobs --status pausde", "'--status': found 'pausde', which is no status of a job; did you mean 'Paused'?"),
        ("jobs --json --account zzz", "'--account': found 'zzz', expected the name of an account; there are: research, old"),
        ("jobs --provider mistrall", "'--provider': found 'mistrall', expected the name of a vendor; did you mean 'mistral'?"),
        ("events --provider x", "'--provider': found 'x', expected the name of a vendor; there are: mistral"),
        ("deliveries --receiver pipelin", "'--receiver': found 'pipelin', expected the name of a receiver; did you mean 'pipe"),
        (
            "send-test pipeline --type batch.fail",
            "'--type': found 'batch.fail', expected the name of a type; did you mean 'batch",
        ),
        ("deliveries --state ded", "'--state': 'ded' is not one of 'pending', 'delivered', 'dead', 'superseded', "),
    ],
)
def test_unknown_name_is_a_mistake(run, line, said):
    """A filter that can match nothing is refused with status 2, with what was found and what was probably meant."""
    done = run(*line.split())
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in done.stderr


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("events --json --type *.created", 1),
        ("events --json --status paused", 2),
        ("events --json --account old", 3),
        ("events --json --account research", 0),
        ("jobs --json --status running", 1),
        ("jobs --json --status PAUSED", 0),
        ("jobs --json --status queued", 0),
        ("jobs --json --account old", 1),
        ("jobs --json --provider mistral", 1),
        ("jobs --json --provider gemini", 0),
        ("events --json --provider mistral", 3),
        ("events --json --provider gemini", 0),
        ("deliveries --json --receiver former", 3),
        ("deliveries --json --receiver pipeline", 0),
    ],
)
def test_known_name_is_no_mistake(run, line, found):
    """Names of the configuration and of the log, also a status outside the schema that a job once had, are searched for."""
    done = run(*line.split())
    assert (done.exit_code, len(done.stdout.splitlines())) == (0, found)
