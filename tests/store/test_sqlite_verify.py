"""`verify`: no difference in a healthy log, and each kind of tampering reported as what it is."""

import json
import sqlite3
from contextlib import closing

import msgspec
import pytest
from job_changes import SINCE, gone, moved, seen

from tracker.core.events.job_diff import Known, diff
from tracker.core.jobs.job import COUNTERS
from tracker.store.database_file_commands import verify
from tracker.store.database_file_reports import Verification
from tracker.store.opening import open_store
from tracker.store.records.verification import spilling_mapping

COUNTED = {"total_requests": 10, "completed_requests": 3}


@pytest.fixture
async def log(path):
    """Nine events of three jobs, one observation as two events; what the cases below say of them is written against this."""
    first, second = seen("job-1", status="RUNNING", model="small"), seen("job-2")
    other = seen("job-1", account="other")
    ran = in_two(moved(first, metadata={"team": "a"}, **COUNTED))
    async with open_store(path) as store:
        await store.record("default", [first, second])  # 1 created, 2 started; 3 created
        await store.record("other", [other])  # 4 created
        await store.record("default", [ran])  # 5 progress, 6 updated
        await store.record("default", [moved(ran, now=SINCE + 2000, status="SUCCESS", completed_requests=10)])  # 7
        await store.record("other", [gone(other)])  # 8 deleted
        await store.record("default", [moved(second, status="CANCELLED")])  # 9
    return path


def in_two(change):
    """`change` as it was logged before one observation was one event: what counts, and what else changed."""
    (event,) = change.events
    counted = {name: pair for name, pair in event.changes.items() if name in COUNTERS}
    other = {name: pair for name, pair in event.changes.items() if name not in COUNTERS}
    progress = msgspec.structs.replace(event, changes=counted)
    update = msgspec.structs.replace(event, id=f"{event.id}2", type="batch.updated", changes=other)
    return msgspec.structs.replace(change, events=(progress, update))


def tampered(path, sql, *parameters):
    """Change the file without the triggers that keep the log."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        kept = "SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'events'"
        for (name,) in connection.execute(kept).fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        assert connection.execute(sql, parameters).rowcount > 0


def edit_body(path, seq, edit):
    with closing(sqlite3.connect(path)) as connection:
        (body,) = connection.execute("SELECT body FROM events WHERE seq = ?", (seq,)).fetchone()
    event = json.loads(body)
    edit(event)
    tampered(path, "UPDATE events SET body = ? WHERE seq = ?", json.dumps(event), seq)


async def test_a_healthy_log(log):
    """The log and the table agree, and everything was compared."""
    assert verify(log) == Verification(events=9, jobs=3, differences=())


async def test_what_a_vendors_own_object_says_besides(path):
    """What other properties show of a vendor's object is not reported; a value of it that is reported has to be so."""
    first = seen("job-1", extra={"provider": "acme", "native": {"done": 1, "tier": "flex", "state": "open"}})
    native = {"done": 2, "tier": "slow", "state": "open"}
    job = msgspec.structs.replace(first.known.job, completed_requests=2, extra={"provider": "acme", "native": native})
    async with open_store(path) as store:
        await store.record("default", [first])
        await store.record("default", [diff("default", first.known, job, SINCE + 1000, {"done"})])
    assert verify(path) == Verification(events=2, jobs=1, differences=())
    edit_body(path, 2, lambda event: event["changes"].update({"native.tier": ["fast", "slower"]}))
    assert verify(path).differences == (
        "event 2: job job-1: native.tier changed from 'fast', the log had 'flex'",
        "event 2: job job-1: native.tier changed to 'slower', its data has 'slow'",
    )


async def test_an_empty_log(path):
    """A new database agrees with itself."""
    async with open_store(path):
        pass
    assert verify(path) == Verification(events=0, jobs=0, differences=())


async def test_while_a_daemon_writes(log):
    """`verify` reads a snapshot while a daemon writes."""
    async with open_store(log) as store:
        await store.record("default", [seen("job-3")])
        assert verify(log) == Verification(events=10, jobs=4, differences=())


RUNNING_AGAIN = "UPDATE jobs SET status = 'RUNNING', active = 1 WHERE id = 'job-2'"


@pytest.mark.parametrize(
    ("sql", "differences"),
    [
        (
            RUNNING_AGAIN,
            [
                "account default, job job-2: status: the log says 'CANCELLED', the table says 'RUNNING'",
                "account default, job job-2: active: the log says 0, the table says 1",
            ],
        ),
        (
            "UPDATE jobs SET deleted = 0 WHERE account = 'other'",
            ["account other, job job-1: deleted: the log says 1, the table says 0"],
        ),
        (
            "UPDATE jobs SET created_at = 5 WHERE id = 'job-2'",
            ["account default, job job-2: created_at: the log says 1750000000, the table says 5"],
        ),
        (
            "UPDATE jobs SET first_seen_at = 'never' WHERE id = 'job-2'",
            ["account default, job job-2: first_seen_at: the log says '2025-06-15T15:06:40.000Z', the table says 'never'"],
        ),
        (
            "UPDATE jobs SET observed_at = 'never' WHERE id = 'job-2'",
            ["account default, job job-2: observed_at: the log says '2025-06-15T15:06:41.000Z', the table says 'never'"],
        ),
        ("UPDATE jobs SET seq = 3 WHERE id = 'job-2'", ["account default, job job-2: seq: the log says 9, the table says 3"]),
        ("DELETE FROM jobs WHERE id = 'job-2'", ["account default, job job-2: the log has it, the table lacks it"]),
        (
            "INSERT INTO jobs SELECT account, 'job-9', status, active, 0, 1, '', '', 1, data, 0, '', 0 FROM jobs LIMIT 1",
            ["account default, job job-9: the log lacks it, the table has it"],
        ),
    ],
)
async def test_a_table_that_was_changed(log, sql, differences):
    """A row of the table that was changed, removed or made up is reported, column by column."""
    tampered(log, sql)
    assert verify(log).differences == tuple(differences)


@pytest.mark.parametrize("data", ['replace(data, \'"model":"small"\', \'"model":"large"\')', "substr(data, 1, 30)"])
async def test_a_jobs_data_that_was_changed(log, data):
    """A change of a job's data is reported with both sides, one that broke its JSON too."""
    tampered(log, f"UPDATE jobs SET data = {data} WHERE account = 'default' AND id = 'job-1'")  # noqa: S608 - of this file
    (difference,) = verify(log).differences
    assert difference.startswith("account default, job job-1: data: the log says {'id': 'job-1'")


@pytest.mark.parametrize(
    ("column", "value", "was"),
    [
        ("id", "evt_1", None),
        ("type", "batch.failed", "batch.progress"),
        ("account", "other", "default"),
        ("job", "job-2", "job-1"),
        ("job", None, "job-1"),
        ("created_at", 17, 1750000001),
        ("observed_at", "never", "2025-06-15T15:06:41.000Z"),
    ],
)
async def test_a_column_unlike_its_body(log, column, value, was):
    """Each column of an event that differs from its body is reported: queries use the one, consumers get the other."""
    tampered(log, f"UPDATE events SET {column} = ? WHERE seq = 5", value)  # noqa: S608 - a name of the table above
    (difference,) = verify(log).differences
    assert difference.startswith(f"event 5: {column}: the column has {value!r}, the body ")
    assert was is None or difference.endswith(f"the body {was!r}")


def _set(**properties):
    return lambda event: event["data"].update(properties)


def _change(name, change):
    return lambda event: event["changes"].update({name: change})


@pytest.mark.parametrize(
    ("seq", "edit", "differences"),
    [
        (
            2,
            _set(model="large"),
            [
                "event 2: job job-1: model went from 'small' to 'large' unreported",
                "event 6: job job-1: model went from 'large' to",
            ],
        ),
        (
            9,
            _set(model="large"),
            ["event 9: job job-2: model went from None to 'large' unreported", "account default, job job-2: data"],
        ),
        (7, _set(status="FAILED"), ["event 7: job job-1: status changed to 'SUCCESS', its data has 'FAILED'"]),
        (
            7,
            _change("status", ["QUEUED", "SUCCESS"]),
            ["event 7: job job-1: status changed from 'QUEUED', the log had 'RUNNING'"],
        ),
        (
            7,
            _change("status", ["RUNNING", "FAILED"]),
            ["event 7: job job-1: status changed to 'FAILED', its data has 'SUCCESS'"],
        ),
        (7, _change("model", ["small", "large"]), ["event 7: job job-1: model changed to 'large', its data has 'small'"]),
        (7, _change("color", ["red", None]), ["event 7: job job-1: color changed from 'red', the log had None"]),
        (
            7,
            lambda event: event["changes"].pop("completed_requests"),
            ["event 7: job job-1: completed_requests went from 3 to 10 unreported"],
        ),
        (
            6,
            lambda event: event["changes"].clear(),
            ["event 6: job job-1: metadata went from None to {'team': 'a'} unreported"],
        ),
        (
            8,
            lambda event: event["changes"].clear(),
            ["event 8: job job-1: deleted went from False to True unreported"],
        ),
        (8, _change("deleted", [True, True]), ["event 8: job job-1: deleted changed from True, the log had False"]),
        (8, _change("deleted", [False, False]), ["event 8: job job-1: deleted changed to False, its data has True"]),
        (3, _change("status", ["NEW", "QUEUED"]), ["event 3: job job-2: status changed from 'NEW', the log had None"]),
        (
            3,
            lambda event: event.update(type="batch.started"),
            ["event 3: type: the column has", "event 3: job job-2: batch.started before the job was first seen"],
        ),
        (
            9,
            lambda event: event.update(type="batch.created"),
            ["event 9: type: the column has", "event 9: job job-2: batch.created after the job was first seen"],
        ),
        (5, lambda event: event.update(seq=6), ["event 5: seq: the column has 5, the body 6"]),
        (5, lambda event: event.pop("timestamp"), ["event 5: its body cannot be read: Object missing required field `timesta"]),
        (
            5,
            lambda event: event["data"].pop("status"),
            ["event 5: the job in its body cannot be read: Object missing required"],
        ),
        (
            5,
            lambda event: event["data"].pop("id"),
            ["event 5: job: the column has 'job-1', the body None", "event 5: the job in"],
        ),
        (
            5,
            lambda event: event["data"].pop("failed_requests"),
            ["event 5: the job in its body lacks failed_requests"],
        ),
        (5, lambda event: event["changes"].update(status=["RUNNING"]), ["event 5: its body cannot be read: "]),
    ],
)
async def test_an_event_that_was_edited(log, seq, edit, differences):
    """An event whose body was edited is reported by what it breaks: its own consistency, or the chain of changes."""
    edit_body(log, seq, edit)
    found = verify(log).differences
    for expected in differences:
        assert any(each.startswith(expected) for each in found), found


@pytest.mark.parametrize(
    "body", ["", "{", "[]", "null", '{"seq": 5}', '{"changes": {"status": ' + "[" * 100_000, '{"data": 1e999}']
)
async def test_a_body_that_is_no_event(log, body):
    """A body that is no event is reported, and the rest is compared all the same."""
    tampered(log, "UPDATE events SET body = ? WHERE seq = 9", body)
    found = verify(log)
    assert (found.events, found.jobs) == (9, 3)
    assert found.differences[0].startswith("event 9: its body cannot be read: ")
    assert any(each.startswith("account default, job job-2: status: ") for each in found.differences)


@pytest.mark.parametrize(
    ("gone_seq", "differences"),
    [
        (1, ["event 2: expected seq 1", "event 2: job job-1: batch.started before the job was first seen"]),
        (4, ["event 5: expected seq 4", "event 8: job job-1: batch.deleted before the job was first seen"]),
        (
            7,
            ["event 8: expected seq 7", "account default, job job-1: status: the log says 'RUNNING', the table says 'SUCCESS'"],
        ),
        (9, ["account default, job job-2: status: the log says 'QUEUED', the table says 'CANCELLED'"]),
    ],
)
async def test_an_event_that_was_taken_away(log, gone_seq, differences):
    """A gap is reported where it is, with what the job lacks by it; a missing last event shows in the table."""
    tampered(log, "DELETE FROM events WHERE seq = ?", gone_seq)
    found = verify(log)
    assert found.events == 8
    assert sum("expected seq" in each for each in found.differences) == (gone_seq < 9)
    for expected in differences:
        assert any(each.startswith(expected) for each in found.differences), found.differences


async def test_an_event_that_was_made_up(log):
    """An event that is put at the log's end and never was an observation disagrees with the table."""
    tampered(log, "INSERT INTO events SELECT 10, 'evt_1', type, account, job, 1, '', 0, body, NULL FROM events WHERE seq = 9")
    found = verify(log)
    assert found.events == 10
    assert "event 10: seq: the column has 10, the body 9" in found.differences


async def test_split_and_returning_observations(path):
    """An observation of two events, a job that returns after its deletion, and a property called `deleted` are no tampering."""
    first = seen(status="RUNNING")
    removed = gone(first)
    back = in_two(moved(removed, now=SINCE + 3000, metadata={"team": "b"}, **COUNTED))
    assert [event.type for event in back.events] == ["batch.progress", "batch.updated"]
    named = seen("job-2", extra={"deleted": False})
    again = moved(named, extra={"deleted": True})
    async with open_store(path) as store:
        await store.record("default", [first, named])
        await store.record("default", [removed, again, gone(again)])
        await store.record("default", [back])
    assert verify(path).differences == ()


async def test_size_that_stands_for_a_value(path):
    """Where an event has sizes in place of what a job was and is they agree with the log, and another size does not."""
    many = [{"message": f"row {number} is wrong", "count": 1} for number in range(5000)]
    first = seen(status="RUNNING")
    known = msgspec.structs.replace(first.known.job, errors=many)  # as before jobs were bounded
    event = msgspec.structs.replace(first.events[0], data=known.to_data())
    first = msgspec.structs.replace(first, known=Known(known), events=(event,))
    change = moved(first, succeeded_requests=5)
    assert change.events[0].changes["errors"][0].keys() == {"omitted_bytes"}
    async with open_store(path) as store:
        await store.record("default", [first])
        await store.record("default", [change])
    assert verify(path).differences == ()
    edit_body(path, 2, _change("errors", [{"omitted_bytes": 7}, change.known.job.errors]))
    (difference,) = verify(path).differences
    assert difference.startswith("event 2: job job-1: errors changed from {'omitted_bytes': 7}, the log had")


async def test_a_record_that_lies_is_found(path):
    """A program that records a state which its events do not report is found, whatever it wrote in the table."""
    first = seen(status="RUNNING")
    change = moved(first, status="SUCCESS")
    lying = msgspec.structs.replace(change, known=Known(msgspec.structs.replace(change.known.job, succeeded_requests=5)))
    async with open_store(path) as store:
        await store.record("default", [first])
        await store.record("default", [lying])
    assert [each.partition(": the log")[0] for each in verify(path).differences] == ["account default, job job-1: data"]


async def test_a_damaged_index(log):
    """What SQLite's own check finds is reported too."""
    with closing(sqlite3.connect(log, isolation_level=None)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "UPDATE sqlite_schema SET sql = replace(sql, '(job, seq)', '(type, seq)') WHERE name = 'events_of_job'"
        )
    assert any(each.startswith("SQLite: ") for each in verify(log).differences)


async def test_a_log_of_more_jobs_than_are_kept_in_memory(log, monkeypatch):
    """What is in a file meanwhile is compared like all else, and reported alike."""
    reports = []
    for kept in (1_000, 1):
        monkeypatch.setattr(spilling_mapping, "IN_MEMORY", kept)
        reports.append(verify(log))
    assert reports == [Verification(events=9, jobs=3, differences=())] * 2
    tampered(log, "UPDATE jobs SET status = 'ODD', id = id || '!' WHERE account = 'default' AND id = 'job-2'")
    tampered(log, "UPDATE jobs SET seq = 1")
    reports = []
    for kept in (1_000, 1):
        monkeypatch.setattr(spilling_mapping, "IN_MEMORY", kept)
        reports.append(verify(log).differences)
    assert reports[0] == reports[1]
    assert len(reports[0]) > 3
