"""What any engine owes to the protocol `Reader`: the log and the jobs, with and without a writer."""

import json

import anyio
import pytest
from job_changes import SINCE, gone, moved, progress, seen, seen_many
from outboxes import DELIVERED, EVERYTHING, FAILED, attempt

from tracker.core.ports.store import Checkpoint
from tracker.core.queries.filters import EventFilter

ALL = EventFilter()


@pytest.fixture
async def reader(engine, store):  # noqa: ARG001 - the store makes what is read
    async with engine.reader() as reader:
        yield reader


async def seqs(reader, after=0, which=ALL, limit=500):
    return [seq for seq, _ in await reader.events(after, which, limit)]


@pytest.fixture
async def history(store):
    """Nine events: two jobs of one account, and one of the same id of another."""
    first, second = seen("job-1", status="RUNNING"), seen("job-2")
    other = seen("job-1", account="other")
    await store.record("default", [first, second])  # 1 created, 2 started; 3 created
    await store.record("other", [other])  # 4
    ran = moved(first, completed_requests=1)
    await store.record("default", [ran, moved(second, status="FAILED")])  # 5 progress; 6 failed
    await store.record("default", [moved(ran, status="SUCCESS")])  # 7
    await store.record("other", [moved(other, status="CANCELLATION_REQUESTED"), gone(other)])  # 8, 9


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("which", "found"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8, 9]),
        ({"types": ["batch.created"]}, [1, 3, 4]),
        ({"types": ["batch.c*"]}, [1, 3, 4, 7, 8]),
        ({"types": ["batch.[fp]*", "*.deleted"]}, [5, 6, 9]),
        ({"types": ["batch.?????d"]}, [6]),
        ({"types": ["BATCH.*", "created", "' OR 1 --"]}, []),
        ({"job": "job-1"}, [1, 2, 4, 5, 7, 8, 9]),
        ({"job": "job-2"}, [3, 6]),
        ({"job": "job"}, []),
        ({"account": "other"}, [4, 8, 9]),
        ({"account": "third"}, []),
        ({"job": "job-1", "account": "default"}, [1, 2, 5, 7]),
        ({"job": "job-1", "account": "other", "types": ["*.c*"]}, [4, 8]),
    ],
)
async def test_filters(reader, which, found):
    """Types are globs of which one must match, job and account are exact, and all that is given must hold."""
    which = EventFilter(**which)
    assert await seqs(reader, which=which) == found
    assert await seqs(reader, after=4, which=which) == [seq for seq in found if seq > 4]


@pytest.mark.usefixtures("history")
@pytest.mark.parametrize(
    ("after", "limit", "found"),
    [(0, 2, [1, 2]), (2, 3, [3, 4, 5]), (8, 5, [9]), (9, 5, []), (-7, 1, [1]), (10**30, 5, []), (0, 0, []), (6, -1, [7, 8, 9])],
)
async def test_pages(reader, after, limit, found):
    """At most `limit` events after a `seq`, which may be any number."""
    assert await seqs(reader, after, ALL, limit) == found


@pytest.mark.usefixtures("history")
async def test_an_event_is_its_json(reader):
    """What is read of an event is its JSON with the `seq` that the log gave it."""
    for seq, body in await reader.events(0, ALL):
        assert json.loads(body)["seq"] == seq
        assert json.loads(body)["object"] == "event"


@pytest.mark.usefixtures("history")
async def test_jobs(reader):
    """Active jobs come first, then the newest; by account and status; with what the tracker adds."""
    assert [(job["account"], job["id"]) for job in await reader.jobs()] == [
        ("default", "job-1"),
        ("other", "job-1"),
        ("default", "job-2"),
    ]
    assert [job["id"] for job in await reader.jobs(account="default", statuses=["FAILED"])] == ["job-2"]
    assert len(await reader.jobs(limit=2)) == 2
    (job,) = await reader.jobs(account="other")
    assert {name: job[name] for name in ("status", "deleted", "seq", "first_seen_at", "observed_at")} == {
        "status": "QUEUED",
        "deleted": True,
        "seq": 9,
        "first_seen_at": "2025-06-15T15:06:40.000Z",
        "observed_at": "2025-06-15T15:06:42.000Z",
    }


async def test_active_jobs_come_first(store, reader):
    """An old job that runs stands above a new one that has ended."""
    await store.record("default", [seen("old", status="RUNNING", created_at=1), seen("new", status="FAILED", created_at=3)])
    await store.record("default", [seen("newer", status="QUEUED", created_at=2)])
    assert [job["id"] for job in await reader.jobs()] == ["newer", "old", "new"]


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("ab", ["abc", "abd"]),
        ("abc", ["abc"]),
        ("x", ["x%", "x_"]),
        ("x_", ["x_"]),
        ("%", []),
        ("zz", []),
        ("", ["abc", "abd", "x%", "x_"]),
    ],
)
async def test_jobs_by_the_beginning_of_their_id(store, reader, prefix, found):
    """A prefix finds what begins with it, as it is spelled."""
    await store.record("default", [seen(id_) for id_ in ("abc", "abd", "x%", "x_")])
    assert [job["id"] for job in await reader.jobs_by_prefix(prefix)] == found


async def test_an_id_that_begins_many_others(store, reader):
    """An id finds itself, under every account, however many others begin with it."""
    await store.record("a", [seen(f"job{n}", account="a") for n in range(50)])
    await store.record("b", [seen("job", account="b")])
    await store.record("c", [seen("job", account="c")])
    assert [(job["account"], job["id"]) for job in await reader.jobs_by_prefix("job")] == [("b", "job"), ("c", "job")]


async def test_reading_does_not_hold_up_writing(store, reader):
    """An open reader sees each record once that has returned, and does not delay writing."""
    for count in range(1, 6):
        await store.record("default", [seen(f"job-{count}")])
        assert await seqs(reader) == list(range(1, count + 1))


async def test_a_reader_without_a_writer(engine):
    """What a daemon that has stopped, or was killed, left is read without it."""
    async with engine.store() as store:
        await store.record("default", seen_many(3))
    async with engine.reader() as reader:
        assert await seqs(reader) == [1, 2, 3]


async def test_following_the_log(store, engine):
    """A consumer that reads, waits and reads again is given every event once, in order, however it falls behind."""
    found = []

    async def follow():
        async with engine.reader() as reader:
            while len(found) < 200:
                while page := await reader.events(found[-1] if found else 0, ALL, 7):
                    found.extend(seq for seq, _ in page)
                if len(found) < 200:
                    await reader.wait_for_change()

    first = seen()
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            await store.record("default", [first])
            changes = progress(first)
            for _ in range(199):
                await store.record("default", [next(changes)])
    assert found == list(range(1, 201))


async def test_last_sweep_outlives_the_writer(engine):
    """A probe records when accounts were last swept whole; the newest of all is read, also once the writer is gone."""
    async with engine.store() as store:
        for account in ("a", "b"):
            await store.checkpoint(account, Checkpoint(since=SINCE, horizon=0))
        async with engine.reader() as reader:
            assert await reader.last_sweep() is None
        assert await store.probe({"a": SINCE, "b": SINCE + 5000, "unknown": SINCE + 9000}) is None
        assert await store.probe({"a": SINCE + 1000}) is None
    async with engine.reader() as reader:
        assert await reader.last_sweep() == SINCE + 5000


async def test_jobs_are_searched_in_one_account(engine):
    """An account's job is found by the beginning of its ID, however many jobs of another account begin so."""
    async with engine.store() as store:
        await store.record("a", [seen(f"job-{number}", account="a") for number in range(30)])
        await store.record("b", [seen("job-7", account="b"), seen("job-99", account="b")])
    async with engine.reader() as reader:
        assert [job["id"] for job in await reader.jobs_by_prefix("job", "b")] == ["job-7", "job-99"]
        assert [(job["account"], job["id"]) for job in await reader.jobs_by_prefix("job-7")] == [("a", "job-7"), ("b", "job-7")]
        assert [(job["account"], job["id"]) for job in await reader.jobs_by_prefix("job-7", "b")] == [("b", "job-7")]
        assert await reader.jobs_by_prefix("job-0", "b") == []


async def test_names_are_those_that_the_log_has(engine):
    """Accounts, receivers and statuses are found by name, also those that no job has any more."""
    async with engine.store([EVERYTHING]) as store:
        await store.checkpoint("never swept", Checkpoint(since=SINCE, horizon=0))
        first = seen(status="RUNNING")
        await store.record("default", [first])
        await store.record("default", [moved(first, status="FAILED")])
    async with engine.reader() as reader:
        names = await reader.names()
    assert (names.accounts, names.receivers) == (["default", "never swept"], ["pipeline"])
    assert names.statuses == ["FAILED", "RUNNING"]


async def test_failures_are_read_by_receiver(engine):
    """The dead are counted by receiver; the last failed attempt is that of what is pending or dead, not of what arrived."""
    async with engine.store([EVERYTHING]) as store, engine.reader() as reader:
        assert await reader.dead_counts() == {}
        assert await reader.last_error("pipeline") is None
        await store.record("default", [seen("a"), seen("b"), seen("c")])
        await attempt(store, 1, FAILED, at=SINCE + 10, attempts=0, status=500, detail="HTTP 500")
        await attempt(store, 2, FAILED, at=SINCE + 20, status=502, detail="HTTP 502")
        await attempt(store, 3, FAILED, at=SINCE + 30, status=503, detail="HTTP 503")
        assert await reader.dead_counts() == {"pipeline": 1}
        assert (await reader.last_error("pipeline"))["detail"] == "HTTP 503"
        await attempt(store, 3, DELIVERED, at=SINCE + 3_000_000)
        error = await reader.last_error("pipeline")
        assert (error["seq"], error["result"], error["status"], error["detail"]) == (2, "server", 502, "HTTP 502")
        assert await reader.last_error("other") is None
