"""What progress takes in the log of SQLite: each event is short, and comes back whole on every surface."""

import sqlite3
from contextlib import closing

import msgspec
import pytest
from job_changes import CHECKPOINT, SINCE, moved, seen
from outboxes import EVERYTHING, claimed

from tracker.core.events.event import encode_event
from tracker.core.queries.filters import EventFilter
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_reader, open_store

COUNTED = {"total_requests": 1000, "metadata": {"team": "research"}, "model": "mistral-small-latest", "endpoint": "/v1/chat"}
MOST_BYTES = 350
"""Of an event of progress in the file, with all indexes."""


def counted(change, number):
    return moved(change, now=SINCE + 1000 * number, completed_requests=number, succeeded_requests=number)


def stored(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT seq, id, base, length(body) FROM events ORDER BY seq").fetchall()


@pytest.fixture
async def history(path):
    """A job that starts, moves on twice, changes, and moves on again; and the events as they were reported."""
    logged = []
    async with open_store(path, [EVERYTHING], notified=lambda event, _: logged.append(encode_event(event))) as store:
        await store.checkpoint("default", CHECKPOINT)
        change = seen(status="RUNNING", **COUNTED)
        changes = [change, counted(change, 1)]
        changes.append(counted(changes[-1], 2))
        changes.append(moved(changes[-1], now=SINCE + 3000, model="another"))
        changes.append(counted(changes[-1], 4))
        for each in changes:
            await store.record("default", [each])
        deliveries = await claimed(store)
    return path, logged, deliveries


async def test_an_event_builds_on_the_last_whole_one(history):
    """Two on the start, one on the change: the rest of their rows is what the columns have."""
    path, *_ = history
    rows = stored(path)
    assert [(seq, base) for seq, _, base, _ in rows] == [(1, None), (2, None), (3, 2), (4, 2), (5, None), (6, 5)]
    assert [len(id_) for _, id_, base, _ in rows if base] == [12, 12, 12]
    assert all(size < 80 for *_, base, size in rows if base)


async def test_it_comes_back_as_it_was_reported(history):
    """Byte for byte, with its id, to readers and to receivers; `verify` finds nothing."""
    path, logged, deliveries = history
    async with open_reader(path) as reader:
        assert [body for _, body in await reader.events(0, EventFilter())] == logged
        assert [body for _, body in await reader.events(0, EventFilter(types=("batch.progress",)))] == logged[2:4] + logged[5:]
        assert [body for _, body in await reader.events(0, EventFilter(job="job-1"))] == logged
    assert all(each.body == logged[each.seq - 1] for each in deliveries)
    assert all(each.event_id in each.body for each in deliveries)
    assert verify(path).differences == ()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE events SET base = 1 WHERE seq = 6", "event 6: job job-1: model"),
        ("UPDATE events SET base = 99 WHERE seq = 6", "event 6: it builds on event 99, which is not there"),
        ("UPDATE events SET body = '[[1,1,1,0],[1,0,0,0]]' WHERE seq = 3", "event 3: job job-1: "),
        ("UPDATE events SET body = '{}' WHERE seq = 3", "event 3: its body cannot be read"),
        ("UPDATE events SET id = 'evt_3' WHERE seq = 3", "event 3: id: the column has 'evt_3', the body '-"),
    ],
)
async def test_verify_finds_what_was_changed(history, change, said):
    """A short form that says something else, or builds on something else, contradicts the rest of the log."""
    path, *_ = history
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER events_never_change")
        connection.execute(change)
    assert any(each.startswith(said) for each in verify(path).differences)


async def test_an_event_of_progress_takes_little_room(path):
    """In the file, with all indexes and an estimated end, as a daemon fills it that logs a hundred jobs at a time."""
    changes = [seen(f"{number:08x}-0000-4000-8000-{number:012x}", status="RUNNING", **COUNTED) for number in range(100)]
    async with open_store(path) as store:
        await store.checkpoint("default", CHECKPOINT)
        await store.record("default", changes)
    before = path.stat().st_size
    async with open_store(path) as store:
        for number in range(1, 51):
            changes = [counted(change, number) for change in changes]
            await store.record("default", [estimated(change) for change in changes])
    assert (path.stat().st_size - before) / 5000 <= MOST_BYTES


def estimated(change):
    """With the estimated end that nearly each event of progress has."""
    (event,) = change.events
    return msgspec.structs.replace(change, events=(msgspec.structs.replace(event, eta="2025-06-25T14:20:10.000Z"),))
