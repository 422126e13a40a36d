"""The command line's frame: what it loads, what it offers to a shell, and what it says of a mistake."""

import os
import re
import resource
import shlex
import subprocess
import sys

import click
import pytest
from fixed_receiver import installed
from matrix import matrix
from programs import program
from tracking import COMMAND, Installation

from tracker.cli import COMMANDS, group
from tracker.core.events.event_type_table import TYPES
from tracker.store.opening import open_store

SERVERS = {"starlette", "uvicorn", "tracker.web.app", "tracker.server.embedded", "prometheus_client"}
CLIENTS = {"httpx", "ssl_context", "tracker.http.client", "cryptography"}
LOOKS = {"rich", "structlog", "pygments"}
LOOP = {"asyncio", "anyio", "aiosqlite", "ssl", "logging", "concurrent.futures", "zoneinfo", "hashlib"}
MISTAKES = {"difflib", "traceback"}
SLOW = {"msgspec", "anyio", "asyncio", "sqlite3", "aiosqlite", "tracker.config"}


@pytest.fixture(scope="module")
async def empty(tmp_path_factory, anyio_backend):  # noqa: ARG001 - an asynchronous fixture of a module needs it
    """An installation whose database has nothing in it, with two receivers."""
    installation = installed(tmp_path_factory.mktemp("empty"), pipeline="http://127.0.0.1:1", board="http://127.0.0.1:1")
    async with open_store(installation.database):
        return installation


@pytest.mark.parametrize(
    ("arguments", "never"),
    matrix(
        [
            ("--help", SERVERS | CLIENTS | LOOKS | SLOW | MISTAKES),
            ("--version", SERVERS | CLIENTS | LOOKS | SLOW),
            ("completion bash", SERVERS | CLIENTS | LOOKS | SLOW),
            ("events --json", SERVERS | CLIENTS | LOOKS | LOOP),
            ("jobs --json", SERVERS | CLIENTS | LOOKS | LOOP),
            ("deliveries --json", SERVERS | CLIENTS | LOOKS | LOOP),
            ("jobs --help", SERVERS | CLIENTS | LOOKS),
            ("jobs", SERVERS | CLIENTS | LOOP | {"structlog"}),
            ("silences --json", SERVERS | CLIENTS | LOOKS | LOOP),
            ("verify", SERVERS | CLIENTS),
            ("replay --receiver pipeline --dead", SERVERS),
            ("wait x --timeout 0s", SERVERS),
            ("top", SERVERS),
            ("check", SERVERS),
        ],
        default=4,
    ),
)
def test_command_loads_nothing_that_it_does_not_use(empty, arguments, never):
    """No command loads a web server that it does not start, nor a client, a database or what draws where it needs none."""
    program_ = "import sys; from tracker.cli import main\ntry: main()\nfinally: print(*sys.modules, file=sys.stderr)"
    done = run(empty, sys.executable, "-c", program_, "--config", str(empty.config), *arguments.split())
    assert never & set(done.stderr.split()) == set()


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "most"), [("--help", 3), ("events --json", 6)])
def test_command_starts_fast(empty, arguments, most):
    """Beside an interpreter that does nothing, in the processor's time: at best about 2 and 4 times as much."""
    nothing = min(spent(empty, [sys.executable, "-c", "pass"]) for _ in range(5))
    assert min(spent(empty, [*COMMAND, "--config", str(empty.config), *arguments.split()]) for _ in range(5)) < most * nothing


def spent(installation, command):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(installation, *command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def run(installation, *command, **environment):
    environment = {"PATH": os.environ["PATH"]} | installation.environment | environment
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, env=environment)


@pytest.mark.parametrize(
    ("typed", "offered"),
    matrix(
        [
            ("w", ["wait"]),
            ("send-test ", ["board", "pipeline"]),
            ("replay --receiver p", ["pipeline"]),
            ("events --type batch.c", sorted(type_ for type_ in TYPES if type_.startswith("batch.c"))),
            ("jobs --status r", ["running"]),
            ("jobs --account ", ["default"]),
            ("wait ", []),
            ("job 0000", []),
            ("deliveries --st", ["--state"]),
            ("deliveries --state d", ["dead", "delivered"]),
            ("results --by ", ["account", "model", "provider"]),
            ("download --kind ", ["error", "output"]),
        ],
        default=2,
    ),
)
def test_shell_is_offered_what_there_is(empty, typed, offered):
    """Commands, options, names of the configuration and types of events; in silence where there is nothing."""
    assert complete(empty, f"batch-tracker --config {empty.config} {typed}") == offered


def complete(installation, line):
    words = line.split(" ")
    asked = {"_BATCH_TRACKER_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    done = run(installation, *COMMAND, **asked)
    assert done.stderr == ""
    return sorted(each.partition(",")[2] for each in done.stdout.splitlines() if each)


@pytest.mark.slow
def test_broken_installation_is_completed_in_silence(tmp_path):
    """Without a database, or with a configuration that is none, nothing is offered and nothing said."""
    installation = Installation(tmp_path, "http://127.0.0.1:1")
    assert complete(installation, f"batch-tracker --config {installation.config} wait 5") == []
    installation.config.write_text("no TOML at all")
    for command in ("wait ", "send-test ", "jobs --account "):
        assert complete(installation, f"batch-tracker --config {installation.config} {command}") == []


@pytest.mark.parametrize("shell", matrix(["bash", "zsh", "fish"]))
def test_shell_takes_what_is_printed_for_it(empty, shell):
    """`completion SHELL` prints what the shell itself has nothing to say against."""
    printed = run(empty, *COMMAND, "completion", shell)
    assert (printed.returncode, "_BATCH_TRACKER_COMPLETE" in printed.stdout) == (0, True)
    if shell == "bash":
        taken = run(empty, program("bash", "bash"), "-ec", f"{printed.stdout}\ncomplete -p batch-tracker")
        assert (taken.returncode, "batch-tracker" in taken.stdout) == (0, True), taken.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    matrix(
        [
            ("jbos", "there is no command 'jbos'; did you mean 'jobs'?"),
            ("zzzzz", "there is no command 'zzzzz'; `batch-tracker --help` lists those that there are"),
            ("jobs --sttaus x", "--status"),
            ("jobs --since soon", "expected a time, such as 2025-06-25T16:20:10+02:00, or how long ago, such as 2h or 7d"),
            ("jobs --limit 0", "0 is not in the range"),
            ("wait x --account unknown", "no account 'unknown' in the configuration; there are: default"),
            ("completion csh", "'bash', 'zsh', 'fish'"),
        ]
    ),
)
def test_mistake_is_reported_with_what_would_be_right(empty, arguments, said):
    """Status 2, nothing on standard output, and words that help."""
    done = run(empty, *COMMAND, "--config", str(empty.config), *arguments.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


UNCLEAR = re.compile(r"\b(whoever|somebody|nobody|told|anew|gets on|so many|so much|so long|whom|aught)\b", re.IGNORECASE)
"""Words that are no plain English for a help text."""

VERBS = (
    *(
        "Accept",
        "Add",
        "Ask",
        "Check",
        "Count",
        "Deliver",
        "Divide",
        "End",
        "Go",
        "Keep",
        "Let",
        "Listen",
        "Log",
        "Look",
        "Make",
        "Match",
    ),
    *(
        "Delete",
        "Move",
        "Print",
        "Read",
        "Replace",
        "Send",
        "Set",
        "Show",
        "Simulate",
        "Start",
        "Store",
        "Use",
        "Wait",
        "Watch",
    ),
)


@pytest.fixture(scope="module")
def shown():
    """By command, what its --help prints on 80 columns; the empty name is that of the whole."""

    def help_of(command, name, parent=None):
        context = click.Context(command, info_name=name, parent=parent, help_option_names=["-h", "--help"])
        context.terminal_width = context.max_content_width = 80
        return command.get_help(context)

    frame = click.Context(group, info_name="batch-tracker")
    commands = {name: help_of(group.get_command(frame, name), name, frame) for name in COMMANDS}
    return commands | {"": help_of(group, "batch-tracker")}


@pytest.mark.parametrize("name", matrix(["", *COMMANDS], default=2), ids=["the whole", *COMMANDS])
def test_help_is_readable(shown, name):
    """Every --help fits 80 columns, prints no mark of click's, is plain English, and has a line for each example."""
    lines = shown[name].split("\n")
    assert all(line.isprintable() and "\\b" not in line for line in lines)
    assert max(map(len, lines)) <= 80
    assert all(line.count("batch-tracker ") <= 1 or "`" in line for line in lines), "two examples in a line"
    assert not UNCLEAR.search(shown[name]), UNCLEAR.search(shown[name])
    assert examples_of(lines), "no example"


def examples_of(lines):
    """The lines of a help that one could type."""
    found = [line.partition("batch-tracker ")[2] for line in lines if re.match(r"  +(\w+ +|eval \"\$\()?batch-tracker ", line)]
    return [each for each in found if each]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_each_option_is_a_sentence(name):
    """An option says what happens, a verb first and a full stop last: "Show at most N."."""
    for parameter in group.get_command(None, name).params:
        if isinstance(parameter, click.Option):
            said = (parameter.help or "").partition("  [")[0]
            assert re.fullmatch(rf"({'|'.join(VERBS)}) .*\.", said, re.DOTALL), (parameter.name, said)


@pytest.mark.parametrize("name", matrix(COMMANDS, default=3))
def test_examples_are_taken_as_they_stand(shown, name):
    """The command line takes every example of its help: such a command, such options, such values."""
    for example in examples_of(shown[name].split("\n")):
        words = shlex.split(re.split(r" [|>]| &&| {2,}#|\)\"", example)[0].replace("$(date +%F)", "today"))
        at = next(number for number, word in enumerate(words) if word in COMMANDS)
        context = group.get_command(None, words[at]).make_context(words[at], words[at + 1 :], parent=click.Context(group))
        assert context.params is not None
