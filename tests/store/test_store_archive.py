"""What any engine owes to the protocol `ArchiveStore`: tasks made with the changes that bring files, claimed and failed."""

import msgspec
import pytest
from archiving import NOW, archived_file, ended, results_of
from job_changes import SINCE, gone, moved, seen, with_the_id_of

from tracker.core.errors.storage_error import StorageError
from tracker.core.results.archive_task import GIVE_UP_AFTER, ArchiveBacklog, ArchiveTask

RUNNING = {"status": "RUNNING"}
DONE = {"status": "SUCCESS", "output_file": "out"}


@pytest.fixture
async def store(engine):
    """An open store that makes tasks for the account "default"."""
    async with engine.store() as store:
        store.archive.enable(["default"])
        yield store


async def claimed(store, *, account="default", now=NOW, limit=100, under_way=(), **order):
    return await store.archive.claim(account, now, limit, under_way, **order)


async def jobs_of(store, **how):
    """The ids of the jobs whose tasks are claimed, in their order."""
    return [task.job.id for task in await claimed(store, **how)]


@pytest.mark.parametrize(
    ("status", "files"),
    [
        ("SUCCESS", {"output_file": "out"}),
        ("SUCCESS", {"error_file": "err"}),
        ("FAILED", {"error_file": "err"}),
        ("TIMEOUT_EXCEEDED", {"output_file": "out", "error_file": "err"}),
        ("CANCELLED", {"output_file": "out"}),
    ],
)
async def test_end_with_a_file_makes_a_task(store, status, files):
    """Whatever the end, a job that names a file has a task, due when the end was observed."""
    first = seen(**RUNNING)
    await store.record("default", [first])
    assert await claimed(store) == []
    change = moved(first, status=status, **files)
    await store.record("default", [change])
    at = SINCE + 1000
    assert await claimed(store) == [ArchiveTask(account="default", job=change.known.job, created_at=at, due_at=at)]
    assert [file.file_id for file in (await claimed(store))[0].files] == [*files.values()]


@pytest.mark.parametrize(
    "change",
    [
        seen(status="SUCCESS"),
        seen(status="SUCCESS", output_file="", error_file=None),
        seen(status="RUNNING", output_file="out"),
        seen(status="PAUSED", output_file="out"),
        gone(seen(status="RUNNING", output_file="out")),
    ],
    ids=["without a file", "with an empty name", "running", "unknown status", "deleted"],
)
async def test_other_changes_make_no_task(store, change):
    """A job without a file, one that has not ended, and one that is deleted have nothing to archive."""
    await store.record("default", [change])
    assert await claimed(store) == []
    assert await store.archive.backlog() == {}


async def test_job_that_had_ended_before_makes_a_task(store):
    """A job that is first seen after its end has a task, also one from before the first contact."""
    old = msgspec.structs.replace(ended("old"), backfilled=True)
    await store.record("default", [old, ended("new")])
    assert await jobs_of(store) == ["new", "old"]


async def test_late_file_makes_a_task_again(store):
    """A file that comes after the end makes a task, or starts the one that there is again; another change makes none."""
    first = ended(output=None)
    await store.record("default", [first])
    assert await claimed(store) == []
    late = moved(first, now=SINCE + 5000, output_file="out")
    await store.record("default", [late])
    await store.archive.fail("default", "job-1", NOW - 1, "server", "HTTP 503")
    assert [(task.created_at, task.attempts) for task in await claimed(store)] == [(SINCE + 5000, 1)]
    later = moved(late, now=SINCE + 9000, error_file="err")
    await store.record("default", [later])
    assert await claimed(store) == [
        ArchiveTask(account="default", job=later.known.job, created_at=SINCE + 9000, due_at=SINCE + 9000)
    ]
    await store.archive.record(results_of(later, files=(archived_file(), archived_file("err", "error"))))
    await store.record("default", [moved(later, now=SINCE + 10_000, metadata={"a": "b"})])
    assert await claimed(store) == []


async def test_file_that_is_taken_back_makes_no_task(store):
    """A file id that vanishes brings nothing to archive, though another file is named."""
    first = ended(error="err")
    await store.record("default", [first])
    await store.archive.record(results_of(first, files=(archived_file(), archived_file("err", "error"))))
    await store.record("default", [moved(first, error_file=None)])
    assert await claimed(store) == []


async def test_only_enabled_accounts_have_tasks(engine):
    """Nothing is made before `enable`, nor for other accounts; what was made stays when others are enabled."""
    async with engine.store() as store:
        await store.record("default", [ended("before")])
        store.archive.enable(["default"])
        await store.record("default", [ended("during")])
        await store.record("other", [ended("others", account="other")])
        store.archive.enable(["other"])
        await store.record("default", [ended("after")])
        assert await jobs_of(store) == ["during"]
        assert await claimed(store, account="other") == []


async def test_task_commits_with_its_change(store):
    """Where the change cannot be recorded there is no task, and no archiver is woken."""
    changed = store.wakeups.archive_changed()
    first = seen("first")
    await store.record("default", [first])
    with pytest.raises(StorageError):
        await store.record("default", [ended(), with_the_id_of(seen("bad"), first)])
    assert await claimed(store) == []
    assert not changed.is_set()


async def test_tasks_outlive_the_process(engine):
    """A task that was claimed by a process that has ended is claimed again, with its attempts."""
    async with engine.store() as store:
        store.archive.enable(["default"])
        await store.record("default", [ended()])
        await store.archive.fail("default", "job-1", NOW, "network", "no answer")
        before = await claimed(store)
    async with engine.store() as store:
        assert await claimed(store) == before
        assert before[0].attempts == 1


async def test_claim_is_of_what_is_due_the_longest_due_first(store):
    """Tasks are claimed in the order in which they became due, up to a limit, without those under way or not due yet."""
    for number in range(5):
        await store.record("default", [ended(f"job-{number}", now=SINCE + number)])
    await store.archive.fail("default", "job-0", NOW - 5, "server", "")
    await store.archive.fail("default", "job-3", NOW + 1, "server", "")
    assert await jobs_of(store) == ["job-1", "job-2", "job-4", "job-0"]
    assert await jobs_of(store, limit=2) == ["job-1", "job-2"]
    assert await jobs_of(store, limit=2, under_way=["job-1", "job-4"]) == ["job-2", "job-0"]
    assert await jobs_of(store, now=NOW + 1) == ["job-1", "job-2", "job-4", "job-0", "job-3"]
    assert await jobs_of(store, account="other") == []
    assert await jobs_of(store, last_due_first=True) == ["job-0", "job-4", "job-2", "job-1"]
    assert await jobs_of(store, last_due_first=True, limit=2, under_way=["job-0", "job-4"]) == ["job-2", "job-1"]


async def test_next_due_is_the_next_moment_from_now(store):
    """It is when the next task becomes due, and None where none does."""
    assert await store.archive.next_due("default", NOW) is None
    await store.record("default", [ended("a"), ended("b"), ended("c")])
    assert await store.archive.next_due("default", SINCE - 1) == SINCE
    assert await store.archive.next_due("default", SINCE) is None
    await store.archive.fail("default", "a", NOW + 90, "server", "")
    await store.archive.fail("default", "b", NOW + 10, "server", "")
    assert await store.archive.next_due("default", NOW) == NOW + 10
    assert await store.archive.next_due("default", NOW + 10) == NOW + 90
    assert await store.archive.next_due("other", NOW) is None


async def test_clock_that_is_set_back_delays_no_task(store):
    """A task that was made after now is due, and one that would wait longer than any task is tried for."""
    await store.record("default", [ended("made later", now=NOW + 10_000)])
    assert await jobs_of(store) == ["made later"]
    await store.record("default", [ended("waits")])
    await store.archive.fail("default", "waits", NOW + round(GIVE_UP_AFTER * 1000) + 1, "server", "")
    assert await jobs_of(store) == ["made later", "waits"]
    assert await jobs_of(store, now=NOW + 1) == ["made later"]


async def test_failed_attempt_of_no_task_changes_nothing(store):
    """A task that has ended meanwhile stays ended."""
    await store.archive.fail("default", "unknown", NOW, "server", "")
    assert await store.archive.backlog() == {}


async def test_backlog_counts_tasks_by_account(engine, store):
    """It has how many tasks an account has and when the first was made, as the reader and the statistics have it."""
    store.archive.enable(["default", "other"])
    assert await store.archive.backlog() == {}
    await store.record("default", [ended("a", now=SINCE + 5), ended("b", now=SINCE + 3)])
    await store.record("other", [ended("a", account="other")])
    await store.archive.fail("default", "b", NOW, "server", "")
    there = {"default": ArchiveBacklog(2, SINCE + 3), "other": ArchiveBacklog(1, SINCE)}
    assert await store.archive.backlog() == there
    assert engine.statistics().archive_backlogs() == there
    async with engine.reader() as reader:
        assert await reader.archive_backlogs() == there


async def test_old_tasks_of_disabled_accounts_are_dropped(store):
    """Of an account that archives no more, tasks of before a moment are deleted; those of other accounts stay."""
    store.archive.enable(["default", "other", "third"])
    for account in ("default", "other", "third"):
        await store.record(account, [ended(account=account), ended("job-2", account=account, now=SINCE + 5)])
    store.archive.enable(["other"])
    assert await store.archive.drop_disabled(SINCE) == 0
    assert await store.archive.drop_disabled(SINCE + 5) == 2
    later = ArchiveBacklog(1, SINCE + 5)
    assert await store.archive.backlog() == {"default": later, "other": ArchiveBacklog(2, SINCE), "third": later}
    assert await store.archive.drop_disabled(SINCE + 6) == 2
    store.archive.enable([])
    assert await store.archive.drop_disabled(SINCE + 6) == 2
    assert await store.archive.backlog() == {}


async def test_archivers_are_woken_by_tasks_alone(store):
    """The signal is set by a commit that makes a task, and not by another one."""
    changed = store.wakeups.archive_changed()
    first = seen(**RUNNING)
    await store.record("default", [first, ended("other", output=None)])
    assert not changed.is_set()
    await store.record("default", [moved(first, **DONE)])
    assert changed.is_set()
    again = store.wakeups.archive_changed()
    assert not again.is_set()
    store.wakeups.wake_archivers()
    assert again.is_set()
