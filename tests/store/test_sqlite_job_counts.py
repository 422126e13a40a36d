"""How many jobs there are: kept with every change of a job, in its transaction, and checked by `verify`."""

import random
import sqlite3
from contextlib import closing

import pytest
from job_changes import gone, moved, seen, with_the_id_of

from tracker.core.errors.storage_error import StorageError
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_store

COUNTED = "SELECT account, status, deleted, jobs FROM job_counts WHERE jobs <> 0 ORDER BY 1, 2, 3"
THERE = "SELECT account, status, deleted, count(*) FROM jobs GROUP BY account, status, deleted ORDER BY 1, 2, 3"
STATUSES = ("QUEUED", "RUNNING", "PAUSED'); --", "SUCCESS", "FAILED")


async def test_counts_follow_every_change(path):
    """Whatever becomes of jobs (new, changed, deleted, back again, of an unknown status), the counts are exact."""
    dice, changes, most = random.Random(5), {}, 0
    async with open_store(path) as store:
        for step in range(150):
            account, id_ = dice.choice(["one", "two"]), f"job-{dice.randrange(12)}"
            change = _next(dice, changes.get((account, id_)), account, id_, step)
            changes[account, id_] = change
            await store.record(account, [change])
            counted = list(map(tuple, await store._database.fetch(COUNTED)))
            assert counted == list(map(tuple, await store._database.fetch(THERE)))
            most = max(most, len(counted))
    assert most > 10  # kinds of jobs at a time
    assert not any("counted" in each for each in verify(path).differences)


def _next(dice, before, account, id_, step):
    now = 1_750_000_000_000 + step * 1000
    if before is None:
        return seen(id_, account=account, now=now, status=dice.choice(STATUSES))
    if not before.known.deleted and dice.random() < 0.2:
        return gone(before, now=now)
    return moved(before, now=now, status=dice.choice(STATUSES), completed_requests=step)


async def test_a_record_that_fails_counts_nothing(path):
    """The counts are part of the transaction: what is not recorded is not counted."""
    first = seen("job-1")
    async with open_store(path) as store:
        await store.record("default", [first])
        with pytest.raises(StorageError):
            await store.record("default", [seen("job-2"), with_the_id_of(seen("job-3"), first)])
        assert list(map(tuple, await store._database.fetch(COUNTED))) == [("default", "QUEUED", 0, 1)]


async def test_a_job_that_is_taken_away_is_not_counted(path):
    """A row that is deleted by hand is no longer counted."""
    async with open_store(path) as store:
        await store.record("default", [seen("job-1"), seen("job-2")])
        taken_away = "DELETE FROM jobs WHERE id = 'job-1'"
        await store._database.write("tampering", lambda connection: connection.execute(taken_away))
        assert list(map(tuple, await store._database.fetch(COUNTED))) == [("default", "QUEUED", 0, 1)]


@pytest.mark.parametrize(
    ("sql", "difference"),
    [
        ("UPDATE job_counts SET jobs = 7 WHERE deleted", "account default, jobs that are QUEUED, deleted: 7 counted, 1 there"),
        ("DELETE FROM job_counts", "account default, jobs that are QUEUED, deleted: 0 counted, 1 there"),
        ("INSERT INTO job_counts VALUES ('x', 'FAILED', 0, 2)", "account x, jobs that are FAILED: 2 counted, 0 there"),
    ],
)
async def test_a_count_that_was_changed(path, sql, difference):
    """`verify` reports a count that differs from the table, with both numbers."""
    first = seen("job-1")
    async with open_store(path) as store:
        await store.record("default", [first])
        await store.record("default", [gone(first)])
    assert verify(path).differences == ()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(sql)
    assert verify(path).differences == (difference,)


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        ("SELECT id FROM jobs ORDER BY created_at DESC, account, id LIMIT 9", "jobs_newest"),
        ("SELECT id FROM jobs WHERE active ORDER BY created_at DESC, account, id LIMIT 9", "jobs_newest_active"),
        ("SELECT receiver, count(*) FROM deliveries WHERE state = 'dead' GROUP BY receiver", "deliveries_dead"),
    ],
)
async def test_indexes_for_the_surfaces(path, sql, index):
    """What the surfaces show is read from an index as it stands: nothing is sorted, nothing else is passed over."""
    async with open_store(path) as store:
        plan = [row[3] for row in await store._database.fetch(f"EXPLAIN QUERY PLAN {sql}")]
    assert len(plan) == 1
    assert plan[0].endswith(f" INDEX {index}")
