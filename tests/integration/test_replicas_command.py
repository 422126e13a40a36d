"""`batch-tracker replicas`: the live replicas and the work of each, as tables and as JSON, and a sentence where none lives."""

import json

import anyio
import pytest
from click.testing import CliRunner
from cluster_rows import HOSTILE, lease, replace_rows, replica

from tracker.cli import group
from tracker.store.opening import open_store
from tracker.store.sqlite.reading.direct_reader import DirectReader

REPLICAS = [replica("a", accounts=1200), replica("b", live=False), replica(HOSTILE, url=None)]
LEASES = [
    lease("account", "default", "a"),
    lease("account", "removed", None),
    lease("maintenance", "log", "a", epoch=1234),
    lease("receiver", "team", None),
]
UNHELD = "no replica works on receiver team: it gets no events\n"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """The command on a database without events, with these replicas and leases: its result."""
    (tmp_path / "tracker.toml").write_text(
        f'[storage]\npath = "{tmp_path / "tracker.db"}"\n[[receivers]]\nname = "team"\nkind = "webhook"\nurl = "http://x.invalid/"\n'
    )

    async def create():
        async with open_store(tmp_path / "tracker.db", ()):
            """The file is there, and no daemon has it."""

    anyio.run(create)

    def run(*options, replicas=(), leases=()):
        replace_rows(monkeypatch, DirectReader, replicas, leases)
        return CliRunner().invoke(group, ["--config", str(tmp_path / "tracker.toml"), "replicas", *options])

    return run


@pytest.mark.parametrize("options", [(), ("--json",), ("--leases",), ("--leases", "--json")])
def test_a_file_has_no_replicas(run, options):
    """On SQLite there is nothing on standard output, the reason on standard error, and exit status 0."""
    done = run(*options)
    assert (done.exit_code, done.stdout) == (0, "")
    assert done.stderr == "the database is a file of one process: it has no replicas\n"


def test_table_shows_who_lives(run):
    """A line for each replica with its state; what no replica works on is on standard error."""
    done = run(replicas=REPLICAS, leases=LEASES)
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["replica", "state", "accounts", "receivers", "since", "version", "url"]
    assert lines[0].split()[:4] == ["a", "live", "1,200", "1"]
    assert lines[0].split()[-1] == "http://a.example:9471/"
    assert lines[1].split()[:2] == ["b", "lost"]
    assert len(lines) == 3, "a name has no line break"
    assert (done.exit_code, done.stderr) == (0, UNHELD)


def test_leases_show_who_works_on_what(run):
    """A line for each lease that is held, and for each account and receiver of the configuration that is unheld."""
    head, *lines = run("--leases", replicas=REPLICAS, leases=LEASES).stdout.splitlines()
    assert head.split() == ["kind", "name", "replica", "since", "epoch"]
    shown = [line.split() for line in lines]
    assert [(kind, name, holder) for kind, name, holder, *_ in shown] == [
        ("account", "default", "a"),
        ("maintenance", "log", "a"),
        ("receiver", "team", "none"),
    ]
    assert shown[1][-1] == "1,234"


def test_json_is_one_object_a_line(run):
    """With --json the rows are those of the reader, without what a holder reports; what is unheld has no holder."""
    done = run("--json", replicas=REPLICAS, leases=LEASES)
    assert [json.loads(line) for line in done.stdout.splitlines()] == REPLICAS
    found = [json.loads(line) for line in run("--json", "--leases", replicas=REPLICAS, leases=LEASES).stdout.splitlines()]
    assert found[0] == {key: value for key, value in LEASES[0].items() if key != "report"}
    assert [(each["name"], each["holder"]) for each in found] == [
        ("default", "a"),
        ("log", "a"),
        ("team", None),
    ]
    assert all(each.keys() == found[0].keys() for each in found)


def test_no_live_replica_is_reported_once(run):
    """Where no replica lives, one sentence says that nothing is watched, instead of one for each account."""
    done = run(replicas=[REPLICAS[1]], leases=[])
    assert done.stderr == "no replica lives: nothing is watched and nothing is sent\n"
    assert "lost" in done.stdout
