"""What any engine owes to results: recorded once with their events and the end of their task, read, and forgotten."""

import msgspec
import pytest
from archiving import NOW, SAID, archived_file, ended, missing_file, results_of
from job_changes import SINCE, moved, seen
from outboxes import EVERYTHING

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import iso
from tracker.core.events.result_events import result_events
from tracker.core.queries.pagination import ResultsKey
from tracker.core.results.archive_outcome import ExpiredResults

BOTH = (archived_file(), archived_file("err", "error"))
ONE_OF_TWO = {"files": (archived_file(),), "missing": (missing_file(),)}
RESULTS_ALONE = Subscription(receiver="results", events=("batch.archived", "batch.results_*"))


@pytest.fixture
async def store(engine):
    """An open store that makes tasks for two accounts, and delivers all events to one receiver."""
    async with engine.store([EVERYTHING, RESULTS_ALONE]) as store:
        store.archive.enable(["default", "other"])
        yield store


async def read(engine, job="job-1", account="default"):
    async with engine.reader() as reader:
        return await reader.results(account, job)


def as_json(value):
    return msgspec.json.decode(msgspec.json.encode(value))


async def test_what_is_archived_is_recorded_with_its_event(engine, store):
    """Results, the event with what the lines say, its deliveries, and the end of the task are there together."""
    change = ended(model="small")
    await store.record("default", [change])
    await store.archive.record(results_of(change, **SAID))
    event = (await engine.log())[-1]
    assert (event["type"], event["seq"], event["observed_at"], event["changes"]) == ("batch.archived", 3, iso(NOW), {})
    assert event["data"] == as_json(change.known.job.to_data())
    assert event["files"] == as_json([archived_file()])
    assert {name: event[name] for name in SAID} == as_json(SAID)
    assert [(each.seq, each.stream) for each in await store.outbox.claim("results", NOW, 0.0, 9, ())] == [(3, "default/job-1")]
    assert await store.archive.claim("default", NOW, 9, ()) == []
    assert await read(engine) == {
        "account": "default",
        "job": "job-1",
        "state": "archived",
        "archived_at": iso(NOW),
        "expired_at": None,
        "files": as_json([archived_file()]),
        "missing": [],
        **as_json(SAID),
        "task": None,
    }


async def test_results_of_what_was_over_before_the_first_contact_are_delivered_to_no_receiver(engine, store):
    """As the end of such a job its results are logged and not delivered; those of a change that is seen later are."""
    old = msgspec.structs.replace(ended(), backfilled=True)
    await store.record("default", [old])
    await store.archive.record(results_of(old, files=(archived_file(),)))
    assert (await engine.log())[-1]["type"] == "batch.archived"
    assert await store.outbox.claim("results", NOW, 0.0, 9, ()) == []
    later = moved(old, now=SINCE + 5000, error_file="err")
    await store.record("default", [later])
    await store.archive.record(results_of(later, files=BOTH))
    assert [each.seq for each in await store.outbox.claim("results", NOW, 0.0, 9, ())] == [(await engine.log())[-1]["seq"]]


async def test_those_who_wait_for_results_are_woken(engine):
    """Once results are committed the observer is called with their events, and deliverers and readers of the log are woken."""
    noticed = []
    change = ended(error="err")
    async with engine.store([RESULTS_ALONE], notified=lambda event, _: noticed.append((event.type, event.seq))) as store:
        store.archive.enable(["default"])
        await store.record("default", [change])
        noticed.clear()
        signals = [store.wakeups.deliveries_changed("results"), store.wakeups.log_grown()]
        await store.archive.record(results_of(change, **ONE_OF_TWO))
        assert noticed == [("batch.archived", 3), ("batch.results_gone", 4)]
        assert all(signal.is_set() for signal in signals)


async def test_what_is_missing_is_recorded_with_its_event(engine, store):
    """A file that is gone is reported in an event of its own, beside that of the file that is archived."""
    change = ended(error="err")
    await store.record("default", [change])
    await store.archive.record(results_of(change, **ONE_OF_TWO, **SAID))
    archived, missing = (await engine.log())[-2:]
    assert (archived["type"], archived["files"]) == ("batch.archived", as_json([archived_file()]))
    assert (missing["type"], missing["files"]) == ("batch.results_gone", as_json([missing_file()]))
    assert not {"digest", "usage", "cost"} & missing.keys()
    assert (await read(engine))["state"] == "partial"
    assert (await read(engine))["missing"] == as_json([missing_file()])


@pytest.mark.parametrize("reason", ["gone", "forbidden", "too_large", "failed"])
async def test_state_says_why_nothing_is_archived(engine, store, reason):
    """Where no file is archived, the state is the reason of the first one, and the one event says so."""
    change = ended()
    await store.record("default", [change])
    await store.archive.record(results_of(change, files=(), missing=(missing_file("out", "output", reason),)))
    assert [event["type"] for event in await engine.log()][2:] == ["batch.results_gone"]
    assert (await read(engine))["state"] == reason
    assert await store.archive.claim("default", NOW, 9, ()) == []


async def test_event_is_of_the_job_as_it_is_when_its_results_are_recorded(engine, store):
    """A job that has changed since its task was claimed is in the event as the log has it, and stays as it was in the table."""
    change = ended()
    later = moved(change, metadata={"note": "later"})
    await store.record("default", [change])
    await store.record("default", [later])
    before = await engine.jobs()
    await store.archive.record(results_of(change))
    assert (await engine.log())[-1]["data"]["metadata"] == {"note": "later"}
    assert await engine.jobs() == before


async def test_results_are_recorded_once(engine, store):
    """A second record, as after a commit whose answer was lost, changes nothing; nor does one of a job without a task."""
    change, other = ended(), ended("other", account="third")
    await store.record("default", [change])
    await store.record("third", [other])
    await store.archive.record(results_of(change, **SAID))
    log = await engine.log()
    await store.archive.record(results_of(change, at=NOW + 5))
    await store.archive.record(results_of(other))
    await store.archive.record(results_of(seen("unknown")))
    assert await engine.log() == log
    assert (await read(engine))["archived_at"] == iso(NOW)
    assert await read(engine, "other", "third") is None


async def test_results_are_all_or_nothing(engine, store):
    """Where the event cannot be logged there are no results and the task stays."""
    change, other = ended(error="err"), seen("other")
    results = results_of(change, **ONE_OF_TWO)
    _, second = result_events(results, change.known.job)
    taken = msgspec.structs.replace(other.events[0], id=second.id)
    await store.record("default", [change, msgspec.structs.replace(other, events=(taken,))])
    log = await engine.log()
    with pytest.raises(StorageError, match="recording results failed"):
        await store.archive.record(results)
    assert await engine.log() == log
    assert (await read(engine))["state"] == "pending"
    assert [task.job.id for task in await store.archive.claim("default", NOW, 9, ())] == ["job-1"]
    await store.archive.record(results_of(change, at=NOW + 1, **ONE_OF_TWO))
    assert [event["seq"] for event in await engine.log()] == list(range(1, len(log) + 3))


async def test_task_without_a_file_ends_silently(engine, store):
    """A job whose only file was taken back has nothing to archive: its task ends, without results and without an event."""
    change = ended()
    await store.record("default", [change, moved(change, output_file=None)])
    log = await engine.log()
    ((task,), at) = await store.archive.claim("default", NOW, 9, ()), NOW
    assert task.files == ()
    await store.archive.record(results_of(change, at=at, files=()))
    assert await engine.log() == log
    assert await read(engine) is None


async def test_file_that_came_meanwhile_keeps_the_task(engine, store):
    """Where the job names a file that the results do not have, its task stays due and knows what is archived."""
    change = ended()
    await store.record("default", [change])
    later = moved(change, error_file="err")
    await store.record("default", [later])
    await store.archive.record(results_of(change))
    (task,) = await store.archive.claim("default", NOW, 9, ())
    assert (task.job, task.archived) == (later.known.job, (archived_file(),))
    found = await read(engine)
    assert (found["state"], found["task"]["attempts"]) == ("archived", 0)
    await store.archive.record(results_of(later, at=NOW + 1, files=BOTH))
    assert await store.archive.claim("default", NOW, 9, ()) == []
    assert [event["type"] for event in await engine.log()][-2:] == ["batch.archived"] * 2
    found = await read(engine)
    assert ([file["file_id"] for file in found["files"]], found["task"]) == (["out", "err"], None)


async def test_pending_results_have_their_task(engine, store):
    """Before the first outcome there is the task, with why its last attempt failed; a job without either has nothing."""
    await store.record("default", [ended(), seen("running", status="RUNNING")])
    task = {"created_at": iso(SINCE), "due_at": iso(SINCE), "attempts": 0, "reason": None, "detail": None}
    found = await read(engine)
    assert (found["state"], found["task"]) == ("pending", task)
    assert (found["files"], found["missing"], found["digest"], found["archived_at"]) == ([], [], None, None)
    await store.archive.fail("default", "job-1", NOW, "server", "HTTP 503")
    failed = {"due_at": iso(NOW), "attempts": 1, "reason": "server", "detail": "HTTP 503"}
    assert (await read(engine))["task"] == task | failed
    assert await read(engine, "running") is None
    assert await read(engine, account="other") is None


async def test_files_are_kept_for_a_while(engine, store):
    """Results that have files expire in the order in which they were archived; once forgotten, what the lines said is kept."""
    changes = [ended(f"job-{number}", error="err") for number in range(4)]
    await store.record("default", changes)
    await store.archive.record(results_of(changes[2], at=NOW + 2, files=BOTH))
    await store.archive.record(results_of(changes[0], at=NOW + 1, **ONE_OF_TWO, **SAID))
    await store.archive.record(results_of(changes[1], at=NOW, files=(), missing=(missing_file("out"), missing_file())))
    await store.archive.record(results_of(changes[3], at=NOW + 3, files=BOTH))
    old = [
        ExpiredResults(account="default", job_id="job-0", files=(archived_file(),)),
        ExpiredResults(account="default", job_id="job-2", files=BOTH),
    ]
    assert list(await store.archive.expired(NOW + 3, 9)) == old
    assert list(await store.archive.expired(NOW + 3, 1)) == old[:1]
    assert list(await store.archive.expired(NOW + 1, 9)) == []
    await store.archive.forget_files("default", "job-0", NOW + 99)
    assert list(await store.archive.expired(NOW + 3, 9)) == old[1:]
    found = await read(engine, "job-0")
    assert (found["state"], found["expired_at"], found["digest"]) == ("partial", iso(NOW + 99), as_json(SAID["digest"]))


async def test_file_that_comes_after_the_files_were_forgotten(engine, store):
    """Forgotten files are not given to a new task, and new results are kept from the beginning."""
    change = ended()
    await store.record("default", [change])
    await store.archive.record(results_of(change))
    await store.archive.forget_files("default", "job-1", NOW)
    later = moved(change, error_file="err")
    await store.record("default", [later])
    (task,) = await store.archive.claim("default", NOW, 9, ())
    assert task.archived == ()
    await store.archive.record(results_of(later, at=NOW + 5, files=BOTH))
    assert (await read(engine))["expired_at"] is None


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_pages_of_results_are_whole_and_in_order(engine, store, limit):
    """Page after page each outcome comes once, those of one moment by account and job; of an account, its own alone."""
    places = [(NOW + at, account, job) for at in (1, 1, 5) for account in ("default", "other") for job in ("a", "b")]
    places = sorted({*places, (NOW + 9, "other", "c"), (NOW, "default", "d")})
    latest = {(account, job): at for at, account, job in places}
    for (account, job), at in latest.items():
        change = ended(job, account=account)
        await store.record(account, [change])
        await store.archive.record(results_of(change, at=at, **SAID))
    ordered = sorted((at, account, job) for (account, job), at in latest.items())
    for account in (None, "default", "other", "nowhere"):
        wanted = [each for each in ordered if account in (None, each[1])]
        assert await _paged(engine, account, 0, limit) == wanted
        assert await _paged(engine, account, NOW + 5, limit) == [each for each in wanted if each[0] >= NOW + 5]


async def _paged(engine, account, since, limit):
    found, after = [], None
    async with engine.reader() as reader:
        while True:
            page = await reader.results_page(after, account, since, limit)
            assert len(page.results) <= limit
            found += [(each["archived_at"], each["account"], each["job"]) for each in page.results]
            if page.next is None:
                break
            after = page.next
            assert isinstance(after, ResultsKey)
        times = {iso(at): at for at in range(NOW, NOW + 10)}
        return [(times[at], account_, job) for at, account_, job in found]


async def test_page_of_results_has_what_the_lines_said(engine, store):
    """Each outcome has its usage and cost, so that they can be summed up, and no task."""
    change = ended()
    await store.record("default", [change])
    await store.archive.record(results_of(change, **SAID))
    async with engine.reader() as reader:
        (found,) = (await reader.results_page(None, None, 0, 9)).results
    assert found | {"task": None} == await read(engine)
