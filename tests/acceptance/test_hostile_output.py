"""Nothing that an API says reaches a terminal, a CI's log or a shell raw: hostile values through every command."""

import json
import sys

import anyio
import click
import pytest
from click.testing import CliRunner
from job_changes import SINCE, moved, seen
from matrix import matrix
from screens import on_a_terminal
from tracking import Installation

from tracker.cli import group
from tracker.cli.command_errors import CommandError, run_to_exit
from tracker.cli.download import file_download
from tracker.cli.wait.api_source import ApiSource
from tracker.cli.wait.state import Awaited
from tracker.cli.wait.view import LineView
from tracker.core.deliveries.delivery import Outcome, Result, settle
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.errors.config_error import ConfigError
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import plain_event
from tracker.core.ports.store import Checkpoint
from tracker.core.results.archive_outcome import Results
from tracker.core.results.cost import Cost
from tracker.core.results.failure_digest import Digest, FailureGroup
from tracker.core.results.result_file import ArchivedFile, MissingFile
from tracker.core.results.usage import ModelUsage, Usage
from tracker.store.opening import open_store

pytestmark = pytest.mark.slow

ACTS = "\x1b]52;c;eA==\x07\x1b[2J\x9b31m\x7f\x85\u2028\u2029\u202e\u200b\r\n::error::forged\n"
ID = f"541d1a81{ACTS}$(touch owned)`id`"
PROPERTIES = {
    "status": f"FAILED{ACTS}",
    "model": f"mistral{ACTS}",
    "endpoint": f"/v1{ACTS}",
    "input_files": (f"file{ACTS}",),
    "output_file": f"out{ACTS}",
    "error_file": f"err{ACTS}",
    "metadata": {f"team{ACTS}": ACTS, "name": ACTS},
    "errors": ({"message": ACTS, "count": 2}, ACTS),
    "extra": {f"new{ACTS}": [ACTS, {ACTS: ACTS}]},
}


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A database in which every text that an API, a receiver or a network chose is hostile."""
    installation = Installation(tmp_path_factory.mktemp("hostile"), "http://127.0.0.1:1")
    with installation.config.open("a") as config:
        config.write('[[receivers]]\nname = "pipeline"\nkind = "webhook"\nurl = "http://127.0.0.1:1/x"\n')
    anyio.run(fill, installation)
    return installation


async def fill(installation):
    async with open_store(installation.database, [Subscription(receiver="pipeline", events=("batch.*",))]) as store:
        await store.checkpoint("default", Checkpoint(since=SINCE, horizon=0))
        first = seen(ID, **PROPERTIES)
        again = moved(first, model=f"other{ACTS}", completed_requests=1)
        over = moved(again, now=SINCE + 2000, status="SUCCESS", completed_requests=2, total_requests=2)
        store.archive.enable(["default"])
        for change in (first, again, over):
            await store.record("default", [change])
        await store.archive.record(hostile_results())
        trouble = {"reason": ACTS, "detail": ACTS, "since": "2025-06-25T14:20:14.312Z"}
        await store.append([plain_event("account.unreachable", "default", trouble, SINCE)])
        await store.append([plain_event("receiver.failing", "", {"receiver": f"pipeline{ACTS}", **trouble}, SINCE + 1)])
        (delivery, *_) = await store.outbox.claim("pipeline", SINCE + 10_000, 0.0, 1, ())
        outcome = Outcome(result=Result.SERVER, status=500, detail=ACTS, answer=ACTS)
        circuit = await store.outbox.circuit("pipeline")
        settled = settle(delivery, outcome, (60.0,), (SINCE + 10_000, SINCE + 10_500), 0.5)
        await store.outbox.settle("pipeline", [settled], circuit)


def hostile_results():
    """Results whose lines, file ids and answers are hostile, as they are before anything bounds them."""
    group = FailureGroup(status=429, code=ACTS, message=ACTS, count=2, custom_ids=(ACTS, ACTS), sample=f"sample{ACTS}")
    said = Digest(failed=2, groups=(group,), other=1, groups_omitted=1, job_errors=(ACTS,), mismatch=ACTS)
    used = ModelUsage(requests=1, total_tokens=1)
    return Results(
        account="default",
        job_id=ID,
        archived_at=SINCE + 3000,
        files=(ArchivedFile(kind="output", file_id=ACTS, bytes=1, sha256="ab", lines=1, location=f"file:///{ACTS}"),),
        missing=(MissingFile(kind="error", file_id=ACTS, reason="failed", detail=ACTS),),
        digest=said,
        usage=Usage(total=used, by_model={ACTS: used, "x": used}),
        cost=Cost(amounts={ACTS: "1"}, unpriced_models=(ACTS,)),
    )


def run(installation, *arguments, **environment):
    return CliRunner().invoke(
        group, ["--config", str(installation.config), *arguments], env=installation.environment | environment, color=False
    )


def assert_harmless(said):
    """No character of it acts, and no value begins a line of its own."""
    for line in said.split("\n"):
        assert line.isprintable(), repr(line)
        assert not line.strip().startswith("::"), repr(line)


@pytest.mark.parametrize(
    "arguments",
    [
        ("jobs",), ("job", "541d1a81"), ("job", ID), ("job", ID + ID), ("events",), ("events", "--limit", "3"), ("top",),
        ("events", "--job", "541d"), ("events", "--job", ACTS[:12]), ("deliveries",), ("deliveries", "--job", "541d"),
        ("wait", "541d1a81"), ("wait", ID), ("replay", "--receiver", f"x{ACTS}", "--dead"), ("send-test", f"x{ACTS}"),
        ("check",), ("verify",), ("results", "541d1a81"), ("results",), ("results", "--by", "account"), ("results", ID + ACTS),
        ("download", "541d1a81", "--wait"), ("download", ID + ACTS),
    ],
    ids=lambda arguments: " ".join(each if each.isprintable() else "HOSTILE" for each in arguments),
)  # fmt: skip
def test_text_for_people_is_harmless(hostile, arguments, monkeypatch, capsys):
    """Every command's output and every message, where an API, a receiver, a network or an argument is hostile."""
    monkeypatch.setattr(sys, "argv", ["batch-tracker", "--config", str(hostile.config), *arguments])
    monkeypatch.setenv("MISTRAL_API_KEY", "canary-key-3141")
    monkeypatch.setattr(file_download, "FIRST_WAIT", 0.0)
    with pytest.raises(SystemExit):
        run_to_exit(lambda: group.main(prog_name="batch-tracker", standalone_mode=False))
    said = capsys.readouterr()
    assert said.out + said.err
    assert_harmless(said.out)
    assert_harmless(said.err)
    assert "Traceback" not in said.err


@pytest.mark.parametrize(
    "arguments",
    [("jobs",), ("job", "541d"), ("events",), ("deliveries",), ("wait", "541d"), ("results", "541d")],
    ids=lambda arguments: arguments[0],
)
def test_json_is_harmless_and_means_the_same(hostile, arguments):
    """A line of JSON is one line for every reader, acts on no terminal, and holds the hostile values as they came."""
    listed = run(hostile, *arguments, "--json").stdout
    lines = listed.splitlines()
    assert lines
    assert listed.split("\n") == [*lines, ""]
    assert all(line.isprintable() for line in lines)
    objects = [json.loads(line) for line in lines]
    found = {each.get("id", each.get("job")) for each in objects} | {each.get("data", {}).get("id") for each in objects}
    assert {ID, *(each["job"] for each in objects if arguments == ("deliveries",))} <= found | {ID}
    assert ID in found | {each.get("job") for each in objects}


@pytest.mark.parametrize("command", matrix(["wait", "jobs", "job", "results", "events", "deliveries", "top"]))
def test_terminal_is_sent_nothing_but_our_own(hostile, command):
    """On a terminal too: after our own colors and cursor movements are taken away, nothing of the API's acts."""
    with on_a_terminal(
        hostile, command, *(["541d1a81"] if command in ("wait", "job", "results") else []), columns=80
    ) as screen:
        if command == "top":
            screen.shows("q quit")
            screen.press(b"q")
        screen.ends()
    assert not any(each in screen.raw for each in (b"\x07", b"\x1b]", "\x9b".encode(), "\u202e".encode(), "\u2028".encode()))
    assert not any(line.strip().startswith("::") for line in screen.lines)


@pytest.mark.parametrize("words", matrix(["job ", "wait ", "events --job 541d", "jobs --job 5", "results "], default=2))
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_offers_no_id_that_a_shell_obeys(hostile, words, shell):
    """An ID with `$(…)`, a blank or a control character is not offered, whatever the shell, and no description holds one."""
    line = f"batch-tracker --config {hostile.config} {words}"
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_BATCH_TRACKER_COMPLETE": f"{shell}_complete"}
    said = CliRunner().invoke(group, [], prog_name="batch-tracker", env=asked).output
    assert not set(said) & set("$`\x1b\x85\u2028;&|()<>\\'\"")
    assert "541d1a81" not in said


def test_wait_that_asks_the_api_says_nothing_raw(capsys):
    """`wait` without bars: a job in progress, and a failure whose words come from a gateway."""
    lines = LineView(as_json=False, quiet=False)
    awaited = Awaited(ID)
    awaited.job = {
        "id": ID,
        "account": "default",
        "status": ACTS,
        "total_requests": 10,
        "completed_requests": 1,
        "failed_requests": 0,
    }
    lines.job_changed(awaited)
    api = ApiSource({}, type("Waiting", (), {"view": lines})())
    for reason in Reason:
        api._record_failure("default", Failure(reason, ACTS))
    said = capsys.readouterr()
    assert_harmless(said.out + said.err)
    assert said.err.count("account default") == len(Reason)
    assert max(map(len, said.err.split("\n"))) <= 80


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError(ACTS), 2), (StorageError(ACTS), 1), (CommandError(ACTS), 1), (RuntimeError(ACTS), 1),
        (click.UsageError(ACTS), 2), (ExceptionGroup(ACTS, [ValueError(ACTS)]), 1),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_whatever_ends_a_command_is_reported_harmlessly(error, status, monkeypatch, capsys):
    """Errors that were foreseen and bugs with their tracebacks: status and words, none of which acts."""

    def fails():
        raise error

    monkeypatch.setattr(sys, "argv", ["batch-tracker", ACTS])
    with pytest.raises(SystemExit) as exited:
        run_to_exit(fails)
    assert exited.value.code == status
    said = capsys.readouterr().err
    assert all(line.isprintable() for line in said.split("\n"))
    if isinstance(error, RuntimeError | ExceptionGroup | click.UsageError):
        assert_harmless(said)
        assert ("Traceback" in said) != isinstance(error, click.UsageError)
