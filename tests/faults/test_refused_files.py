"""Files that are not ours, newer, or damaged: refused by every command, with the reason, and left as they were to the byte."""

import random
import re
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from click.testing import CliRunner
from databases import VERSIONS, Found, make
from loopback import unreachable_url
from matrix import matrix
from planting import plant
from recording_receiver import RecordingReceiver, give
from tracking import COMMAND, Installation

from tracker.cli import group
from tracker.store.sqlite.database.schema import APPLICATION_ID

NEWEST = VERSIONS[-1]
ANOTHERS = "expected a batch-tracker database, found one of another program"
NO_DATABASE = "found another kind of file|file is not a database"
DAMAGED = "malformed|damaged|differ"

LETS_SQLITE_LOOK = """
    import tracker.store.sqlite.database.schema as schema
    schema.check_signature = lambda path, application: None
"""
UNFINISHED = """CREATE TABLE theirs (x); PRAGMA cache_size = 1; BEGIN;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100)
INSERT INTO theirs SELECT hex(randomblob(500)) FROM n"""


def _execute(path, sql):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript(sql)


def _killed_after(path, sql):
    """Leave the file as a process does that ends in the middle."""
    program = (
        "import os, sqlite3, sys; sqlite3.connect(sys.argv[1], isolation_level=None).executescript(sys.argv[2]); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", program, path, sql], check=False, timeout=30).returncode == 9


def _newer(path):
    _execute(make(path, NEWEST), f"PRAGMA user_version = {NEWEST + 1}")


def _newer_in_its_wal(path):
    _killed_after(make(path, NEWEST), f"PRAGMA user_version = {NEWEST + 1}")


def _overwritten(path, start, end):
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\x55" * (end - start))


def _damaged_header(path):
    _overwritten(make(path, NEWEST), 16, 24)


def _damaged_middle(path):
    _overwritten(make(path, 1, more=300), 4096 * 4, 4096 * 30)


def _damaged_and_unfolded(path):
    """A damaged file of an older schema whose write-ahead log is not checkpointed."""
    _damaged_middle(path)
    _killed_after(path, "UPDATE accounts SET watermark = 8")


def _truncated(path):
    make(path, NEWEST, more=300)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


KINDS = {
    "newer": (_newer, f"schema {NEWEST + 1} was written by a newer batch-tracker, this one knows up to {NEWEST}; upgrade it"),
    "newer, in its WAL": (_newer_in_its_wal, "was written by a newer batch-tracker"),
    "another program's": (lambda path: _execute(path, "CREATE TABLE theirs (x)"), ANOTHERS),
    "another program's, by its number": (
        lambda path: _execute(path, f"PRAGMA application_id = {APPLICATION_ID + 1}"),
        ANOTHERS,
    ),
    "another program's, in its WAL": (
        lambda path: _killed_after(path, "PRAGMA journal_mode = WAL; CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)"),
        ANOTHERS,
    ),
    "another program's, unfinished": (lambda path: _killed_after(path, UNFINISHED), f"{ANOTHERS}|readonly database"),
    "text": (lambda path: path.write_text("jobs = 1\n" * 999), NO_DATABASE),
    "text beside a journal": (
        lambda path: (path.write_text("jobs = 1\n" * 999), path.with_name("tracker.db-journal").write_bytes(b"x" * 999)),
        f"{NO_DATABASE}|readonly database",
    ),
    "zeros": (lambda path: path.write_bytes(b"\0" * 8192), NO_DATABASE),
    "a directory": (lambda path: path.mkdir(), "a directory|unable to open"),
    "its header damaged": (_damaged_header, NO_DATABASE),
    "its middle damaged": (_damaged_middle, f"{DAMAGED}|schema 1 is older"),
    "its middle damaged, with a WAL": (_damaged_and_unfolded, f"{DAMAGED}|schema 1 is older"),
    "truncated": (_truncated, DAMAGED),
}

COMMANDS = {
    "run": ["run"],
    "verify": ["verify"],
    "jobs": ["jobs"],
    "events": ["events"],
    "deliveries": ["deliveries"],
    "replay": ["replay", "--receiver", "everything", "--dead"],
    "backup": ["backup", "{folder}/copy.db"],
    "restore": ["restore", "--config", "{folder}/other.toml", "{folder}/tracker.db"],  # over a database that is sound
}


@pytest.fixture
def installation(tmp_path):
    with unreachable_url() as url:
        installation = Installation(tmp_path, url)
        recorder = RecordingReceiver()
        recorder.url = url
        give(installation, recorder)
        other = installation.config.read_text().replace("tracker.db", "other.db")
        installation.config.with_name("other.toml").write_text(other)
        make(tmp_path / "other.db", NEWEST)
        yield installation


def _as_a_process(installation, arguments):
    """The exit status, and what it said."""
    done = subprocess.run(
        [*COMMAND, *arguments], env=installation.environment, check=False, capture_output=True, text=True, timeout=30
    )
    return done.returncode, done.stdout + done.stderr


def _as_a_function(installation, arguments):
    """The same without a process of its own: the frame of the command line tells an error as it is, with status 1."""
    done = CliRunner().invoke(group, arguments, env=installation.environment)
    return done.exit_code, done.output + str(done.exception or "")


def _tried(installation, kind, called):
    """What each command says of a file of that kind; it is there with the command's name where it is not what it should be."""
    making, said = KINDS[kind]
    making(installation.database)
    folder = installation.database.parent
    before, wrong = _kept(folder), []
    for name, words in COMMANDS.items():
        call = _as_a_process if name == "run" else called  # which sets up a log for the whole process
        status, output = call(
            installation, ["--config", str(installation.config), *(word.format(folder=folder) for word in words)]
        )
        if status != 1 or "tracker.db: " not in output or not re.search(said, output) or "Traceback" in output:
            wrong.append((name, status, output))
        if _kept(folder) != before:
            wrong.append((name, "altered", [*_kept(folder)], [*before]))
    return wrong


def _kept(folder):
    """Every file and what is in it, but for the lock, and what SQLite makes to be able to read."""
    files = [each for each in folder.rglob("*") if each.is_file() and not each.name.endswith(("-shm", ".lock"))]
    return {each.name: each.read_bytes() for each in files if each.stat().st_size or not each.name.endswith("-wal")}


@pytest.mark.parametrize("kind", matrix(KINDS))
def test_a_file_that_cannot_be_used(installation, kind):
    """Each command names the file and what it found, ends with status 1, and changes not a byte of it or beside it."""
    assert _tried(installation, kind, _as_a_function) == []


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_cannot_be_used_by_any_process(installation, kind):
    """The same, each command as the process that people start."""
    assert _tried(installation, kind, _as_a_process) == []


def test_an_empty_file(installation):
    """An empty file, perhaps made only to set its owner, is an error to a reader, not a log without events."""
    installation.database.touch()
    for name in ("verify", "jobs", "events", "deliveries", "backup"):
        words = [word.format(folder=installation.database.parent) for word in COMMANDS[name]]
        status, output = _as_a_function(installation, ["--config", str(installation.config), *words])
        assert (status, "found an empty one" in output) == (1, True), name
        assert installation.database.read_bytes() == b""


async def test_noise_for_a_write_ahead_log(installation):
    """What SQLite cannot take for its log has no part in the database: it is opened, with all that is in the file."""
    before = Found(make(installation.database, NEWEST))
    installation.database.with_name("tracker.db-wal").write_bytes(random.Random(1).randbytes(9999))
    async with installation.running() as daemon:
        assert await daemon.stop(signal.SIGTERM) == 0
    kept = before.rows["events"]
    found = Found(installation.database).rows["events"]
    assert found[: len(kept)] == kept
    added = {row[2] for row in found[len(kept) :]}
    assert added <= {"receiver.failing"}  # where its pending deliveries were tried before the stop
    assert (await installation.command("verify")).returncode == 0


@pytest.mark.slow
def test_an_altered_file_is_found(installation):
    """A product that lets SQLite look first undoes what another program had not finished."""
    plant(installation, LETS_SQLITE_LOOK)
    assert ("run", "altered") in [
        found[:2] for found in _tried(installation, "another program's, unfinished", lambda *_: (1, ""))
    ]
