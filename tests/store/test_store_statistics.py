"""What any engine owes to the protocol `Statistics`, and to those who are notified of events and of the database's use."""

import pytest
from archiving import ended
from job_changes import SINCE, gone, moved, seen, with_the_id_of
from outboxes import EVERYTHING, OTHER, attempt, failing

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Result
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import iso, plain_event
from tracker.core.ports.store import DatabaseUse
from tracker.core.queries.backlog import Backlog
from tracker.core.queries.kept_log import KeptLog
from tracker.metrics import Metrics


async def test_figures_of_an_empty_store(engine):
    """A new database has nothing of anything."""
    async with engine.store():
        figures = engine.statistics()
        found = (list(figures.jobs()), figures.backlogs(), figures.circuits(), figures.last_seq())
        assert figures.kept_log() == KeptLog(1, None, 0)
    assert found == ([], {}, {}, 0)


async def test_sizes_and_engine_are_known(engine):
    """The database has a size in bytes, its write-ahead log too, and the engine a version."""
    async with engine.store() as store:
        await store.record("default", [seen("a")])
        size, ahead = engine.statistics().sizes()
        version, is_affected = engine.statistics().engine()
    assert size > 0
    assert ahead >= 0
    assert version
    assert is_affected in {True, False}


async def test_jobs_by_account_status_and_deletion(engine):
    """Jobs are counted as they stand, with the status as the API has it."""
    first, strange = seen("a", status="RUNNING"), seen("b", status="PAUSED")
    async with engine.store() as store:
        await store.record("default", [first, strange, seen("c", status="RUNNING")])
        await store.record("default", [gone(first)])
        await store.record("other", [seen("a", account="other", status="SUCCESS")])
        found = [row for row in engine.statistics().jobs() if row[3]]
    assert sorted(found) == [
        ("default", "PAUSED", False, 1),
        ("default", "RUNNING", False, 1),
        ("default", "RUNNING", True, 1),
        ("other", "SUCCESS", False, 1),
    ]


async def test_backlogs_and_circuits(engine):
    """Pending ones with the time of the oldest event, dead ones, and how the receiver is."""
    changes = [seen("a"), seen("b", now=SINCE + 500), seen("c", now=SINCE + 900)]
    async with engine.store([EVERYTHING, OTHER]) as store:
        await store.record("default", changes)
        figures = engine.statistics()
        assert figures.backlogs() == {"pipeline": Backlog(3, 0, iso(SINCE))}
        await attempt(store, 1, Result.SERVER, at=SINCE + 2000, circuit=failing(9), attempts=0)
        assert figures.backlogs() == {"pipeline": Backlog(2, 1, iso(SINCE + 500))}
        await attempt(store, 2, Result.DELIVERED, at=SINCE + 2000, circuit=Circuit(disabled=True, reason="gone"))
        await attempt(store, 3, Result.DELIVERED, at=SINCE + 2000, circuit=failing(9))
        assert figures.backlogs() == {"pipeline": Backlog(0, 1, None)}
        assert figures.circuits() == {"pipeline": failing(9)}
        assert figures.last_seq() == 3
        assert figures.kept_log() == KeptLog(1, iso(SINCE), 0)


async def test_every_committed_event_is_passed_on_once(engine):
    """The observer gets what sweeps, time checks and deliverers log, once it is committed, and nothing else."""
    observed = []
    first = seen("a", status="RUNNING")
    async with engine.store(
        [EVERYTHING], notified=lambda event, backfilled: observed.append((event.seq, event.type, backfilled))
    ) as store:
        await store.record("default", [first])
        with pytest.raises(StorageError):
            await store.record("default", [seen("b"), with_the_id_of(seen("c"), first)])
        await store.append([plain_event("account.unreachable", "default", {}, SINCE)])
        failing_event = plain_event("receiver.failing", "", {"receiver": "pipeline"}, SINCE)
        await attempt(store, 1, Result.DELIVERED, events=[failing_event])
        await store.record("default", [moved(first, status="SUCCESS")])
    assert observed == [
        (1, "batch.created", False),
        (2, "batch.started", False),
        (3, "account.unreachable", False),
        (4, "receiver.failing", False),
        (5, "batch.completed", False),
    ]


async def test_jobs_on_the_page(engine):
    """The page has each job once: by the status that the API gave, as deleted, or as unrecognized."""
    first, metrics = seen("a", status="RUNNING"), Metrics(engine.statistics())
    metrics.configured({"default": 15.0}, [])
    async with engine.store() as store:
        await store.record("default", [first, seen("b", status="PAUSED"), seen("c", status="HALTED"), seen("d")])
        await store.record("default", [gone(first)])
    lines = [line for line in metrics.render().decode().splitlines() if line.startswith("batchtracker_jobs{")]
    assert len(lines) == 9
    assert {line.partition("status=")[2] for line in lines if not line.endswith(" 0.0")} == {
        '"QUEUED"} 1.0',
        '"deleted"} 1.0',
        '"unrecognized"} 2.0',
    }


async def test_archive_tasks_on_the_page(engine):
    """The page has the jobs whose results wait, and since when the oldest does; an account without any has 0."""
    metrics = Metrics(engine.statistics())
    metrics.configured({"default": 15.0, "idle": 15.0}, [])
    async with engine.store() as store:
        store.archive.enable(["default"])
        await store.record("default", [ended("a"), ended("b", now=SINCE + 5000), ended("c", output=None)])
    found = [line for line in metrics.render().decode().splitlines() if "archive_task" in line and line[0] != "#"]
    assert found == [
        'batchtracker_archive_tasks{account="default"} 2.0',
        'batchtracker_archive_tasks{account="idle"} 0.0',
        'batchtracker_oldest_archive_task_timestamp_seconds{account="default"} 1.75e+09',
        'batchtracker_oldest_archive_task_timestamp_seconds{account="idle"} 0.0',
    ]


async def test_use_is_observed(engine):
    """Each use of the database is passed on once, as what it was and whether it succeeded."""
    used = []
    async with engine.store(used=lambda use, succeeded: used.append((use, succeeded))) as store:
        used.clear()  # of the opening
        await store.record("default", [seen("a")])
        assert await store.probe() is None
        await store.active_jobs("default")
        assert used == [(DatabaseUse.WRITE, True), (DatabaseUse.PROBE, True), (DatabaseUse.READ, True)]
        used.clear()
        with pytest.raises(StorageError):
            await store.record("default", [with_the_id_of(seen("b"), seen("a"))])
        assert used == [(DatabaseUse.WRITE, False)]
