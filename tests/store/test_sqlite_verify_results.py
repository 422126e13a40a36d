"""`verify`: what became of result files is what the log says, and each kind of tampering is reported as what it is."""

import json
import sqlite3
from contextlib import closing

import pytest
from archiving import NOW, SAID, archived_file, ended, missing_file, results_of
from job_changes import moved, seen
from test_sqlite_verify import edit_body, tampered

from tracker.store.database_file_commands import verify
from tracker.store.database_file_reports import Verification
from tracker.store.opening import open_store

WHERE = "account default, results of job job-1"


@pytest.fixture
async def log(path):
    """Nine events: three jobs that have ended (1 to 6), one half archived (7, 8), one whole (9), one with its task."""
    first, second = ended(error="err"), ended("job-2")
    async with open_store(path) as store:
        store.archive.enable(["default"])
        await store.record("default", [first, second, ended("job-3")])
        await store.archive.record(results_of(first, missing=(missing_file(),), **SAID))
        await store.archive.record(results_of(second, at=NOW + 1, **SAID))
    return path


async def test_a_healthy_log_with_results(log):
    """Results, their events and the task that is left agree, before and after the files were forgotten."""
    assert verify(log) == Verification(events=9, jobs=3, differences=())
    async with open_store(log) as store:
        await store.archive.forget_files("default", "job-1", NOW + 9)
    assert verify(log).differences == ()


async def test_results_that_were_archived_again(log):
    """The last outcome of a job counts, whichever events it has."""
    async with open_store(log) as store:
        store.archive.enable(["default"])
        late = moved(ended("job-2"), error_file="err")
        await store.record("default", [late])
        gone = (missing_file("out", "output"), missing_file())
        await store.archive.record(results_of(late, at=NOW + 5, files=(), missing=gone))
    assert verify(log) == Verification(events=11, jobs=3, differences=())


async def test_results_whose_event_was_too_large(path):
    """Files whose texts were cut in the event agree with the table, which has them whole."""
    change = ended()
    async with open_store(path) as store:
        store.archive.enable(["default"])
        await store.record("default", [change])
        await store.archive.record(results_of(change, files=(archived_file(location="s3://" + "x" * 70_000),)))
    assert verify(path).differences == ()


@pytest.mark.parametrize(
    ("sql", "difference"),
    [
        ("DELETE FROM results WHERE job = 'job-1'", f"{WHERE}: the log has them, the table lacks them"),
        ("UPDATE results SET job = 'job-9' WHERE job = 'job-1'", f"{WHERE}: the log has them, the table lacks them"),
        (
            "UPDATE results SET job = 'job-9' WHERE job = 'job-1'",
            "account default, results of job job-9: the log lacks them, the table has them",
        ),
        (
            "UPDATE results SET archived_at = 0 WHERE job = 'job-1'",
            f"{WHERE}: archived_at: the log says 2025-06-15T15:07:40.000Z, the table says 1970-01-01T00:00:00.000Z",
        ),
        ("UPDATE results SET archived_at = 1 << 60 WHERE job = 'job-1'", f"{WHERE}: what the table holds of them cannot"),
        ("UPDATE results SET data = '{' WHERE job = 'job-1'", f"{WHERE}: what the table holds of them cannot be read: "),
        ("UPDATE results SET data = '[]' WHERE job = 'job-1'", f"{WHERE}: what the table holds of them cannot be read: "),
        ("UPDATE results SET data = '{}' WHERE job = 'job-1'", f"{WHERE}: what the table holds of them cannot be read: "),
        (
            "UPDATE results SET data = json_set(data, '$.files[0].sha256', 'no') WHERE job = 'job-1'",
            f"{WHERE}: files: the log says [{{'kind': 'output', 'file_id': 'out'",
        ),
        (
            "UPDATE results SET data = json_remove(data, '$.missing[0]') WHERE job = 'job-1'",
            f"{WHERE}: missing: the log says [{{'kind': 'error', 'file_id': 'err'",
        ),
        (
            "INSERT INTO archive_tasks VALUES ('default', 'job-9', 1, 1, 0, '', '')",
            "account default, archive task of job job-9: there is no such job that has ended",
        ),
    ],
)
async def test_results_that_were_changed(log, sql, difference):
    """A row that was changed, removed or made up is reported, and a task of a job that is not there."""
    tampered(log, sql)
    assert [each for each in verify(log).differences if each.startswith(difference)]


async def test_task_of_a_job_that_runs(log):
    """A task of a job that has not ended is reported."""
    async with open_store(log) as store:
        await store.record("default", [seen("runs", status="RUNNING")])
    tampered(log, "INSERT INTO archive_tasks VALUES ('default', 'runs', 1, 1, 0, '', '')")
    assert verify(log).differences == ("account default, archive task of job runs: there is no such job that has ended",)


async def test_event_about_results_that_was_edited(log):
    """An event about results that has other files, another job, or a job that has not ended, is reported."""
    edit_body(log, 9, lambda event: event["files"][0].update(lines=11))
    (difference,) = verify(log).differences
    assert difference.startswith("account default, results of job job-2: files: the log says")
    edit_body(log, 7, lambda event: event["data"].update(model="large"))
    assert any(
        each.startswith("event 7: job job-1: batch.archived changes the job, expected it as event 2")
        for each in verify(log).differences
    )


async def test_event_about_results_before_the_end(path):
    """A log that has results of a job which still runs contradicts itself."""
    async with open_store(path) as store:
        await store.record("default", [seen(status="RUNNING")])
    with closing(sqlite3.connect(path)) as connection:
        (body,) = connection.execute("SELECT body FROM events WHERE seq = 2").fetchone()
    event = json.loads(body) | {"seq": 3, "id": "evt_3", "type": "batch.archived", "changes": {}, "files": []}
    tampered(
        path,
        "INSERT INTO events SELECT 3, 'evt_3', 'batch.archived', account, job, created_at, observed_at, 0, ?, NULL FROM events"
        " WHERE seq = 2",
        json.dumps(event),
    )
    assert "event 3: job job-1: batch.archived before the job was over" in verify(path).differences
