"""`results`, run as a user would: of one job, of all, as text and as JSON, and where there is nothing, why."""

import json
import re
import subprocess
from io import StringIO

import anyio
import pytest
from archiving import NOW, SAID, archived_file, ended, missing_file, results_of
from click.testing import CliRunner
from job_changes import SINCE, moved, seen
from matrix import matrix
from rich.console import Console
from tracking import COMMAND, Installation

from tracker.cli import group
from tracker.cli.results.job_results import print_results
from tracker.config.loading import results_access
from tracker.core.ports.store import Checkpoint
from tracker.core.results.failure_digest import Digest, FailureGroup
from tracker.store.opening import open_store

COUNTED = {"total_requests": 300, "completed_requests": 300, "succeeded_requests": 200, "failed_requests": 100}
GROUPS = tuple(
    FailureGroup(status=429, code=None, message=f"reason {n}", count=50 - n, custom_ids=("a", "b", "c")[: 3 - n], sample=sample)
    for n, sample in enumerate(("as it came", None, None))
)
DIGEST = Digest(
    failed=200, unreadable=2, groups=GROUPS, groups_omitted=4, other=53, job_errors=("3 requests: x",), mismatch="100, not 200"
)
NOTICE = "no daemon is running; no sweep is recorded\n"
WITHOUT = """
[[accounts]]
name = "quiet"
api_key = { env = "MISTRAL_API_KEY" }
results = false
"""


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """Jobs whose results are archived, in part, gone, removed, still to be archived, and of which there is nothing."""
    made = Installation(tmp_path_factory.mktemp("results"), "http://127.0.0.1:1")
    with made.config.open("a") as config:
        config.write(WITHOUT)
    anyio.run(fill, made)
    return made


async def fill(made):
    async with open_store(made.database) as store:
        for account in ("default", "quiet"):
            await store.checkpoint(account, Checkpoint(since=SINCE, horizon=0))
        store.archive.enable(["default", "quiet"])
        outcomes = {
            "archived": SAID | {"digest": DIGEST},
            "partial": SAID | {"missing": (missing_file(),)},
            "gone": {"files": (), "missing": (missing_file("out", "output"),)},
            "forbidden": {"files": (), "missing": (missing_file("out", "output", "forbidden"),)},
            "removed": SAID,
        }
        for name, outcome in outcomes.items():
            change = ended(name, error="err" if name == "partial" else None, **COUNTED)
            await store.record("default", [change])
            await store.archive.record(results_of(change, **outcome))
        await store.archive.forget_files("default", "removed", NOW + 1000)
        await store.record("default", [ended("waiting", **COUNTED)])
        await store.record("default", [ended("failing", **COUNTED)])
        for _ in range(3):
            await store.archive.fail("default", "failing", NOW, "network", "the API does not answer")
        again = ended("twofold", **COUNTED)
        await store.record("default", [again])
        await store.archive.record(results_of(again, at=NOW + 10, **SAID | {"cost": None}))
        await store.record("default", [moved(again, now=NOW, error_file="err")])
        store.archive.enable([])
        errors = ({"message": "too long", "count": 8},)
        await store.record("default", [ended("unarchived", errors=errors, **COUNTED), seen("active", status="RUNNING")])
        await store.record("default", [ended("fileless", output=None, status="FAILED")])
        await store.record("quiet", [ended("excluded", account="quiet", **COUNTED)])


def run(installation, *arguments, archive=None, more=""):
    """The result of `results` with these arguments, where the configuration names an `archive`, and says `more`."""
    config = installation.config.with_name("archiving.toml")
    archiving = f'[results]\narchive = "{archive}"\n' if archive else ""
    config.write_text(f"{installation.config.read_text()}{archiving}{more}")
    return CliRunner().invoke(group, ["--config", str(config), "results", *arguments], env={"MISTRAL_API_KEY": ""})


def test_results_are_what_a_person_reads(installation):
    """Why requests failed with counts, three custom_ids and a sample, then usage and cost, then the files; no key is needed."""
    done = subprocess.run(
        [*COMMAND, "--config", str(installation.config), "results", "arch"], capture_output=True, text=True, check=False, env={}
    )
    assert (done.returncode, done.stderr) == (0, NOTICE)
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert lines[0] == "archived  SUCCESS  300/300 100 %, 100 failed"
    assert lines[1].startswith("Results archived at 2025-06-15 ")
    why = lines.index("Why requests failed")
    assert lines[why + 1 : lines.index("Usage") - 1] == [
        "  50 requests: reason 0 (HTTP 429)",
        "    custom_id: a, b, c, …",
        "    such as: as it came",
        "  49 requests: reason 1 (HTTP 429)",
        "    custom_id: a, b, …",
        "  48 requests: reason 2 (HTTP 429)",
        "    custom_id: a, …",
        "  53 requests failed in 4 other ways",
        "  reported by the job: 3 requests: x",
        "  2 lines could not be read",
        "  the counters differ: 100, not 200",
    ]
    assert re.fullmatch(r"small +9 +90 +180 +270 +0\.01 EUR", lines[lines.index("Usage") + 2])
    (file,) = [archived_file()]
    assert lines[lines.index("Files") + 1 :] == [
        "output  out, 100 B, 10 lines",
        f"        sha256 {file.sha256}",
        f"        {file.location}",
    ]


@pytest.mark.parametrize(
    ("job", "archive", "status", "said"),
    matrix(
        [
            ("partial", None, 0, ["Results archived in part at ", "error   err does not exist any more: HTTP 404"]),
            ("gone", None, 1, ["Results are gone: the API had none of the files at ", "output  out does not exist any more"]),
            ("forbidden", None, 1, ["Results cannot be read with this key", "output  out may not be read with this key"]),
            ("removed", None, 0, ["The files were removed at ", "as `results.keep` says", "Usage"]),
            ("waiting", None, 1, ["Results have waited to be archived since 2025-06-15 "]),
            ("failing", None, 1, [": 3 failed attempts, the last one: the API does not answer; the next one is at "]),
            ("twofold", None, 0, ["Results archived at ", "Another file has waited to be archived since "]),
            ("unarchived", None, 1, ["`results.archive` is not set", "8 requests: too long"]),
            ("unarchived", "/a", 1, ["only the results of jobs that end after `results.archive` is set are"]),
            ("excluded", "/a", 1, ["the configuration leaves this account out"]),
            ("active", "/a", 1, ["the job is not over yet"]),
            ("fileless", "/a", 1, ["the job names no result file"]),
        ],
        default=4,
    ),
)
def test_what_became_of_results_is_reported(installation, job, archive, status, said):
    """The state of each is a sentence with its reason, and the exit status shows whether anything is archived."""
    done = run(installation, job, archive=archive)
    assert done.exit_code == status, done.output
    assert [words for words in said if words not in done.stdout] == []


def test_json_is_one_object_with_the_same_keys(installation):
    """Archived or not, `--json` is one line with the same keys; where nothing is archived, its `reason` says why."""
    found = {name: run(installation, name, "--json") for name in ("archived", "waiting", "unarchived", "active")}
    objects = {name: json.loads(done.stdout) for name, done in found.items()}
    assert {done.stdout.count("\n") for done in found.values()} == {1}
    assert {name: (each["state"], each.get("reason")) for name, each in objects.items()} == {
        "archived": ("archived", None),
        "waiting": ("pending", None),
        "unarchived": ("none", "off"),
        "active": ("none", "not_over"),
    }
    assert {frozenset(each.keys() - {"reason"}) for each in objects.values()} == {frozenset(objects["archived"])}
    assert [each["count"] for each in objects["archived"]["digest"]["groups"]] == [50, 49, 48]
    assert objects["archived"]["cost"]["amounts"] == {"EUR": "0.01"}


def test_usage_and_cost_are_a_table_with_totals(installation, monkeypatch):
    """A row for each model with its jobs, and what is not counted; by account too, since a time, and over many pages."""
    monkeypatch.setattr("tracker.cli.commands.results._PAGE", 2)
    done = run(installation)
    assert done.exit_code == 0
    header, row = done.stdout.splitlines()
    assert header.split() == ["model", "jobs", "requests", "prompt", "completion", "tokens", "cost"]
    assert row.split() == ["small", "4", "36", "360", "720", "1,080", "0.03", "EUR"]
    assert done.stderr == f"{NOTICE}2 jobs are not counted, as no result file is archived\n"
    by_account = run(installation, "--by", "account", "--account", "default").stdout.splitlines()
    assert by_account[1].split()[:2] == ["default", "4"]
    by_provider = run(installation, "--by", "provider").stdout.splitlines()
    assert (by_provider[0].split()[0], by_provider[1].split()[:2]) == ("provider", ["mistral", "4"])
    at = "2025-06-15T15:07:40.005+00:00"
    objects = [json.loads(line) for line in run(installation, "--since", at, "--json").stdout.splitlines()]
    assert [(each["by"], each["name"], each["jobs"], each["cost"]) for each in objects] == [
        ("model", "small", 1, None),
        ("total", None, 1, None),
    ]
    nothing = run(installation, "--since", "1h")
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (0, "", f"{NOTICE}no results are archived\n")


def test_wait_names_the_most_frequent_errors(installation):
    """Of a job whose results are archived `wait` says by their lines why requests failed, not by the job's own errors."""
    done = CliRunner().invoke(group, ["--config", str(installation.config), "wait", "archived"], env={"MISTRAL_API_KEY": ""})
    assert done.exit_code == 1
    named = [line.strip() for line in done.stdout.splitlines() if "reason" in line or "other" in line]
    assert named == [*(f"{50 - n} requests: reason {n} (HTTP 429)" for n in range(3)), "and 5 other errors"]


def test_mistakes_of_usage(installation):
    """An ID and a period at once, an unknown account, an unknown job: each is said, with status 2 or 1."""
    for arguments, status, said in (
        (("archived", "--since", "7d"), 2, "--since and --by are for the usage of all jobs"),
        (("--by", "color"), 2, "'model', 'account', 'provider'"),
        (("--account", "unknown"), 2, "unknown"),
    ):
        done = run(installation, *arguments)
        assert (done.exit_code, said in done.output) == (status, True), done.output
    assert "no job's ID starts with zzz" in str(run(installation, "zzz").exception)


def test_configuration_is_read_without_a_secret(installation):
    """What it says of results needs no key, and a mistake in [results] is said with its line."""
    access = results_access(str(installation.config))
    assert (access.results.archive, access.prices, access.excluded) == (None, (), frozenset({"quiet"}))
    assert not access.archives("default")
    done = run(installation, more='[results]\nkeep = "soon"\n')
    assert "results.keep: found" in str(done.exception)


def test_cost_of_earlier_results_is_by_todays_prices(installation):
    """Where no cost was recorded, the prices that are configured now count; a recorded cost stays as it was."""
    prices = '[[prices]]\nmodel = "s*"\ninput = 1000000\ncurrency = "USD"\n'
    rows = [json.loads(line) for line in run(installation, "--json", more=prices).stdout.splitlines()]
    assert rows[-1]["cost"]["amounts"] == {"EUR": "0.03", "USD": "90"}
    assert run(installation, "twofold", more=prices).stdout.count("90 USD") == 1
    assert run(installation, "archived", more=prices).stdout.count("0.01 EUR") == 1


@pytest.mark.parametrize("width", [40, 60, 79, 80, 81, 120])
def test_results_on_a_terminal_begin_no_line_with_a_command(width):
    """However wide the terminal is, no wrapped line begins with what a CI obeys, and long errors are whole."""
    words = " ".join(["::error::forged"] * 20)
    group_ = {"status": 429, "code": None, "message": words, "count": 2, "custom_ids": [words, words], "sample": f"x {words}"}
    digest = {"groups": [group_], "other": 0, "groups_omitted": 0, "job_errors": [words], "unreadable": 0, "mismatch": words}
    nothing = dict.fromkeys(("expired_at", "usage", "cost", "task"))
    results = {"state": "archived", "archived_at": "2025-06-15T15:07:40.000Z", "digest": digest, "files": [], "missing": []}
    job = {"id": "job-1", "status": "SUCCESS"} | COUNTED
    console = Console(width=width, file=StringIO())
    print_results(console, job, results | nothing, ())
    lines = console.file.getvalue().splitlines()
    assert not any(line.strip().startswith("::") for line in lines)
    assert sum(line.count("::error::forged") for line in lines) >= 80
