"""Archive tasks and results in SQLite: by indexes, past what cannot be read, in files of older versions, copies, and kills."""

import random
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from archiving import NOW, SAID, archived_file, ended, missing_file, results_of
from engines import Sqlite
from job_changes import SINCE, moved, seen
from sqlite_plans import plans
from test_sqlite_verify import tampered

from tracker.core.errors.storage_error import StorageError
from tracker.core.queries.pagination import ResultsKey
from tracker.store.database_file_commands import back_up, restore, verify
from tracker.store.opening import open_reader, open_store
from tracker.store.sqlite.database.migrations import MIGRATIONS
from tracker.store.sqlite.database.schema import migrate

ARCHIVES = """
import sys, anyio
from pathlib import Path
from archiving import SAID, archived_file, ended, missing_file, results_of
from job_changes import SINCE, seen
from tracker.store.opening import open_store

async def main():
    path, run = Path(sys.argv[1]), sys.argv[2]
    async with open_store(path) as store:
        store.archive.enable(["default"])
        count = 0
        while True:
            count += 1
            await store.record("default", [ended(f"job-{run}-{count}", error="err", metadata={"note": "x" * 500})])
            for task in await store.archive.claim("default", SINCE * 2, 9, ()):
                change = seen(task.job.id)
                results = results_of(change, at=SINCE + count, missing=(missing_file(),), **SAID)
                await store.archive.record(results)
                print(task.job.id, flush=True)

anyio.run(main)
"""


@pytest.fixture
async def written(path):
    """A database with a job whose results are recorded, and one with a task that has failed once."""
    first, second = ended(error="err"), ended("job-2")
    async with open_store(path) as store:
        store.archive.enable(["default"])
        await store.record("default", [first, second])
        await store.archive.record(results_of(first, missing=(missing_file(),), **SAID))
        await store.archive.fail("default", "job-2", NOW, "server", "HTTP 503")
    return path


@pytest.mark.parametrize(
    ("read", "step"),
    [
        (lambda archive: archive.claim("default", NOW, 9, ()), "SEARCH t USING INDEX archive_tasks_due (account=?)"),
        (
            lambda archive: archive.claim("default", NOW, 9, (), last_due_first=True),
            "SEARCH t USING INDEX archive_tasks_due (account=?)",
        ),
        (
            lambda archive: archive.next_due("default", NOW),
            "SEARCH archive_tasks USING COVERING INDEX archive_tasks_due (account=? AND due_at>?)",
        ),
        (lambda archive: archive.expired(NOW, 9), "SEARCH results USING INDEX results_kept (archived_at<?)"),
    ],
    ids=["claim", "claim, the last due first", "next_due", "expired"],
)
async def test_indexes_of_the_archive(written, read, step):
    """What each turn of an archiver asks is answered from an index, in its order, however much was archived before."""
    async with open_store(written) as store:
        found = await plans(store, read(store.archive))
    assert step in found
    assert not [each for each in found if "B-TREE" in each or each.startswith(("SCAN results", "SCAN j", "SCAN r"))]


@pytest.mark.parametrize(
    ("read", "step"),
    [
        (lambda reader: reader.results("default", "job-1"), "SEARCH results USING PRIMARY KEY (account=? AND job=?)"),
        (lambda reader: reader.results("default", "job-1"), "SEARCH archive_tasks USING PRIMARY KEY (account=? AND job=?)"),
        (
            lambda reader: reader.results_page(ResultsKey(NOW, "a", "b"), None, 0, 9),
            "SEARCH results USING INDEX results_archived ((archived_at,account,job)>(?,?,?))",
        ),
        (
            lambda reader: reader.results_page(None, "default", 0, 9),
            "SEARCH results USING INDEX results_archived_of_account (account=? AND (archived_at,job)>(?,?))",
        ),
    ],
    ids=["results", "task", "page", "page of an account"],
)
async def test_indexes_of_the_reader(written, read, step):
    """Results are found by their keys, pages of them by their time, and none is sorted for."""
    async with open_reader(written) as reader:
        found = await plans(reader, read(reader))
    assert step in found
    assert not [each for each in found if "B-TREE" in each or each.startswith("SCAN")]


async def test_job_that_cannot_be_read_delays_no_other(written):
    """A task whose job is damaged is passed over, however few are asked for, and nothing can be recorded of it."""
    tampered(written, "UPDATE jobs SET data = substr(data, 1, 20) WHERE id = 'job-2'")
    async with open_store(written) as store:
        store.archive.enable(["default"])
        await store.record("default", [ended("job-3", now=NOW)])
        assert [task.job.id for task in await store.archive.claim("default", NOW, 1, ())] == ["job-3"]
        log = await Sqlite(written.parent).log()
        await store.archive.record(results_of(seen("job-2")))
        assert await Sqlite(written.parent).log() == log
    async with open_reader(written) as reader:
        assert (await reader.results("default", "job-2"))["state"] == "pending"


async def test_results_that_cannot_be_read(written):
    """A reader says so; the archive goes on without the files that they had."""
    tampered(written, "UPDATE results SET data = substr(data, 1, 20)")
    async with open_reader(written) as reader:
        with pytest.raises(StorageError, match="an outcome of archiving that it holds cannot be read"):
            await reader.results("default", "job-1")
        with pytest.raises(StorageError, match="an outcome of archiving that it holds cannot be read"):
            await reader.results_page(None, None, 0, 9)
    async with open_store(written) as store:
        assert await store.archive.expired(NOW + 9, 9) == []


async def test_file_of_the_version_before(path):
    """A file of schema 10 has neither tasks nor results: jobs that ended before get none, and those that end now do."""
    migrate(path, MIGRATIONS[:10])
    before = ended("before")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert not connection.execute("SELECT 1 FROM sqlite_schema WHERE name IN ('archive_tasks', 'results')").fetchall()
    async with open_store(path.with_name("other.db")) as store:
        await store.record("default", [before])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("ATTACH ? AS other", (str(path.with_name("other.db")),))
        for table in ("events", "jobs"):
            columns = ", ".join(name for _, name, *_ in connection.execute(f"PRAGMA main.table_info({table})"))
            connection.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM other.{table}")  # noqa: S608 - of constants
    async with open_store(path) as store:
        store.archive.enable(["default"])
        assert await store.archive.backlog() == {}
        await store.record("default", [moved(before, metadata={"a": "b"}), ended("after")])
        assert [task.job.id for task in await store.archive.claim("default", NOW, 9, ())] == ["after"]
    assert verify(path).differences == ()


async def test_copies_have_tasks_and_results(written, tmp_path):
    """A backup, and what is restored from it, has the tasks and the results as they were."""
    (tmp_path / "backups").mkdir()
    copy = tmp_path / "backups" / "copy.db"
    rows = _rows(written)
    assert [len(each) for each in rows] == [1, 1]
    assert back_up(written, copy).events == 6
    assert _rows(copy) == rows
    async with open_store(written) as store:
        await store.archive.drop_disabled(NOW)
        await store.archive.forget_files("default", "job-1", NOW)
    assert _rows(written) != rows
    restore(copy, written, "now")
    assert _rows(written) == rows
    assert verify(written).differences == ()


def _rows(path):
    with closing(sqlite3.connect(path)) as connection:
        return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in ("archive_tasks", "results")]  # noqa: S608


async def test_full_disk_leaves_the_task(path):
    """Where results cannot be written nothing of them is there, and they are recorded once there is room."""
    change = ended()
    async with open_store(path) as store:
        store.archive.enable(["default"])
        await store.record("default", [change])
        ((pages,),) = await store._database.fetch("PRAGMA page_count")
        await store._database._connection.execute(f"PRAGMA max_page_count = {pages}")
        large = results_of(change, files=(archived_file(location="s3://" + "x" * 50_000),))
        with pytest.raises(StorageError, match="recording results failed: database or disk is full"):
            await store.archive.record(large)
        assert len(await store.archive.claim("default", NOW, 9, ())) == 1
        assert len(await Sqlite(path.parent).log()) == 2
        await store._database._connection.execute("PRAGMA max_page_count = 1000000")
        await store.archive.record(large)
        assert await store.archive.claim("default", NOW, 9, ()) == []
    assert verify(path).differences == ()


@pytest.mark.timeout(120)
async def test_nothing_is_archived_twice_or_forgotten(path, request):
    """Of a process that is killed while it archives each job has one outcome or its task, and one event for each outcome."""
    chance = random.Random(20250615)
    for run in range(4):
        acknowledged = _archived_until_killed(path, request.path.parents[1], run, chance.randint(1, 40))
        log = await Sqlite(path.parent).log()
        archived = [event["data"]["id"] for event in log if event["type"] == "batch.archived"]
        gone = [event["data"]["id"] for event in log if event["type"] == "batch.results_gone"]
        assert len(archived) == len({*archived})
        assert archived == gone
        assert {*acknowledged} <= {*archived}
        assert verify(path).differences == ()
        jobs = {event["data"]["id"] for event in log}
        with closing(sqlite3.connect(path)) as connection:
            waiting = [job for (job,) in connection.execute("SELECT job FROM archive_tasks")]
        assert sorted([*archived, *waiting]) == sorted(jobs)
    async with open_store(path) as store:
        for task in await store.archive.claim("default", SINCE * 2, 9, ()):
            await store.archive.record(results_of(seen(task.job.id), missing=(missing_file(),)))
        assert await store.archive.backlog() == {}
    assert verify(path).differences == ()


def _archived_until_killed(path, directory, run, after):
    """The jobs whose results a process acknowledged that was killed some time after its `after`th."""
    with subprocess.Popen(
        [sys.executable, "-c", ARCHIVES, path, str(run)], stdout=subprocess.PIPE, cwd=directory, text=True
    ) as process:
        first = [process.stdout.readline() for _ in range(after)]
        assert all(first)
        process.kill()
        return [line.strip() for line in [*first, *process.stdout.read().splitlines()]]
