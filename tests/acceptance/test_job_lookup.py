"""How commands find a job by the beginning of its ID, and what they say where no daemon runs."""

import json
import re
from datetime import datetime, timedelta

import anyio
import pytest
from click.testing import CliRunner
from job_changes import SINCE, moved, seen
from matrix import matrix
from tracking import COMMAND, Installation

from tracker.cli import group
from tracker.cli.command_errors import CommandError
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.ports.store import Checkpoint
from tracker.runtime.clock import now
from tracker.store.opening import open_store
from tracker.store.sqlite.files.lock import hold_database_file, hold_lock_file

BOTH = "aaaaaaaa-0000-4000-8000-000000000000"
ONE = "aaaabbbb-0000-4000-8000-000000000000"
LATER = "ffffffff-0000-4000-8000-000000000000"
SWEPT_AGO = timedelta(hours=3, minutes=2)


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """Two accounts that have a job of the same ID, one of them another job that has moved, swept three hours ago."""
    made = Installation(tmp_path_factory.mktemp("two"), "http://127.0.0.1:1")
    with made.config.open("a") as config:
        config.write('[[accounts]]\nname = "other"\napi_key = { env = "MISTRAL_API_KEY" }\n')
        config.write('[[receivers]]\nname = "pipeline"\nkind = "webhook"\nurl = "http://127.0.0.1:1/x"\n')
    anyio.run(fill, made)
    return made


async def fill(made):
    async with open_store(made.database, [Subscription(receiver="pipeline", events=("batch.*",))]) as store:
        for account in ("default", "other"):
            await store.checkpoint(account, Checkpoint(since=SINCE, horizon=0))
            await store.record(account, [seen(BOTH, account=account, model=f"model-of-{account}")])
        job = seen(ONE, account="other", status="RUNNING", total_requests=100)
        await store.record("other", [job])
        for done in (10, 20, 30):
            job = moved(job, now=SINCE + done * 1000, completed_requests=done)
            await store.record("other", [job])
        await store.probe({"default": now() - int(SWEPT_AGO.total_seconds() * 1000)})


def run(installation, *arguments):
    return CliRunner().invoke(group, ["--config", str(installation.config), *arguments], env=installation.environment)


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    matrix(
        [
            (("job", BOTH), 2, f"the accounts default and other each have a job {BOTH}; choose one with --account NAME"),
            (("job", "aaaa"), 2, "several jobs' IDs start with aaaa; give more of it, or choose one with --account NAME:"),
            (("job", "aaaa", "--account", "other"), 2, "several jobs' IDs start with aaaa; give more of it:"),
            (("job", "bbbb", "--account", "other"), 1, "no job's ID starts with bbbb in account other"),
            (("job", "aaaabbbb", "--account", "default"), 1, "no job's ID starts with aaaabbbb in account default"),
            (("events", "--job", "aaaa"), 2, "several jobs' IDs start with aaaa"),
            (("deliveries", "--job", "aaaa"), 2, "several jobs' IDs start with aaaa"),
            (("wait", BOTH), 2, "the accounts default and other each have a job"),
            (("wait", "aaaa", "--account", "other"), 2, "several jobs' IDs start with aaaa; give more of it:"),
        ],
        default=2,
    ),
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_is_not_one_job_is_reported(installation, arguments, status, said):
    """An ID in two accounts, and a beginning of several, are mistakes that name what there is and what to do."""
    done = run(installation, *arguments)
    assert isinstance(done.exception, CommandError)
    assert (done.exception.status, done.stdout) == (status, "")
    assert said in str(done.exception)
    if said.endswith("or choose one with --account NAME:"):
        assert re.findall(r"^  (\S+)  (\S+)$", str(done.exception), re.MULTILINE) == [
            (BOTH, "default"), (BOTH, "other"), (ONE, "other")
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "found"),
    matrix(
        [
            (("job", "aaaaa", "--account", "other"), {("other", BOTH)}),
            (("job", "aaaab"), {("other", ONE)}),
            (("jobs", "--job", BOTH, "--account", "default"), {("default", BOTH)}),
            (("events", "--job", "aaaab"), {("other", ONE)}),
            (("events", "--job", "aaaaa"), {("default", BOTH), ("other", BOTH)}),
            (("events", "--job", "aaaaa", "--account", "other"), {("other", BOTH)}),
            (("deliveries", "--job", "aaaab"), {("other", ONE)}),
            (("events", "--job", LATER), set()),
        ],
        default=2,
    ),
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_beginning_of_an_id_is_enough(installation, arguments, found):
    """Wherever an ID is taken, its beginning is too, with --account where two accounts have it; a whole ID may come later."""
    done = run(installation, *arguments, "--json")
    assert done.exit_code == 0, done.output
    listed = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(each.get("account"), each["job"] if "job" in each else each.get("data", each)["id"]) for each in listed} == found


def test_job_folds_its_progress(installation):
    """Three events of progress are one line of the timeline, which says how far it came, and how many they were."""
    shown = run(installation, "job", "aaaab").stdout
    assert shown.count("batch.progress") == 1
    assert "0 to 30 of 100 requests, in 20s (3 events)" in shown


@pytest.mark.parametrize(
    "arguments", [("jobs",), ("job", ONE), ("results", ONE), ("deliveries",)], ids=lambda arguments: arguments[0]
)
@pytest.mark.parametrize("form", [(), ("--json",)], ids=["text", "JSON"])
def test_commands_say_that_no_daemon_runs(installation, arguments, form):
    """On standard error, with the time of the last sweep, never among the data; nothing while a process has the database."""
    alone = run(installation, *arguments, *form)
    swept_at = datetime.now().astimezone() - SWEPT_AGO
    said = re.fullmatch(r"no daemon is running; the last sweep was 3h \dm ago, at (.*)\n", alone.stderr)
    assert abs(datetime.fromisoformat(said[1]).astimezone() - swept_at) < timedelta(minutes=5)
    with hold_lock_file(installation.database), hold_database_file(installation.database):
        beside = run(installation, *arguments, *form)
    assert beside.stderr == ""
    if form:
        assert beside.stdout == alone.stdout
        assert all(json.loads(line) for line in alone.stdout.splitlines())


def test_top_says_when_the_last_sweep_was(installation):
    """The head of its picture names it."""
    assert re.search(r"no daemon is running; last sweep 3h \dm ago", run(installation, "top").stdout)


@pytest.mark.slow
async def test_following_says_when_the_daemon_goes_and_comes(installation):
    """`events --follow` says at once that no daemon runs, and when one does again; standard output has events alone."""
    command = [*COMMAND, "--config", str(installation.config), "events", "--follow", "--json", "--limit", "1"]
    async with await anyio.open_process(command, env=installation.environment) as process:
        said = b""
        with anyio.fail_after(60):
            while not re.search(rb"no daemon is running; the last sweep was 3h \dm ago, at .*\n", said):
                said += await process.stderr.receive()
            with hold_lock_file(installation.database), hold_database_file(installation.database):
                while b"a daemon is running again\n" not in said:
                    said += await process.stderr.receive()
            while said.count(b"no daemon is running") < 2:
                said += await process.stderr.receive()
            process.terminate()
            out = b"".join([chunk async for chunk in process.stdout])
    assert len([json.loads(line) for line in out.splitlines()]) == 1
