"""What any engine owes to the protocol `Store`: it keeps what it was given, and gives back what it kept."""

import msgspec
import pytest
from job_changes import CHECKPOINT, SINCE, a_job, gone, moved, seen, seen_many, with_the_id_of

from tracker.core.errors.storage_error import StorageError
from tracker.core.events.job_diff import Known
from tracker.core.ports.store import Checkpoint


async def test_the_first_contact_is_kept(engine):
    """The checkpoint that an account got first is returned from then on, also once reopened."""
    later = Checkpoint(since=SINCE + 5, horizon=7)
    async with engine.store() as store:
        assert await store.checkpoint("default", CHECKPOINT) == CHECKPOINT
        assert await store.checkpoint("default", later) == CHECKPOINT
    async with engine.store() as store:
        assert await store.checkpoint("default", later) == CHECKPOINT


async def test_each_account_has_its_own_contact(store):
    """The checkpoint and the watermark of one account do not concern another."""
    other = Checkpoint(since=1, horizon=2)
    await store.checkpoint("default", CHECKPOINT)
    assert await store.checkpoint("other", other) == other
    await store.record("default", [], watermark=123)
    assert await store.checkpoint("default", other) == msgspec.structs.replace(CHECKPOINT, watermark=123)
    assert await store.checkpoint("other", CHECKPOINT) == other


async def test_a_watermark_moves_with_the_changes_or_stays(store):
    """`record` moves the watermark where it is given one, backwards too, and leaves it alone where it is not."""
    await store.checkpoint("default", CHECKPOINT)
    for given, kept in ((None, None), (500, 500), (None, 500), (400, 400), (0, 0)):
        await store.record("default", [], watermark=given)
        assert (await store.checkpoint("default", CHECKPOINT)).watermark == kept


@pytest.mark.parametrize(
    ("status", "is_active"),
    [
        ("QUEUED", True),
        ("RUNNING", True),
        ("CANCELLATION_REQUESTED", True),
        ("PAUSED_BY_A_NEW_FEATURE", True),
        ("SUCCESS", False),
        ("FAILED", False),
        ("TIMEOUT_EXCEEDED", False),
        ("CANCELLED", False),
    ],
)
async def test_active_is_what_has_not_ended(store, status, is_active):
    """A job is active by its status, whether or not the status is known, and known either way."""
    job = a_job(status=status)
    await store.record("default", [seen(status=status)])
    assert await store.active_jobs("default") == ({"job-1": Known(job, logged_at=SINCE)} if is_active else {})
    assert await store.known_jobs("default", ["job-1"]) == {"job-1": Known(job, logged_at=SINCE)}


async def test_deleted_jobs_are_found_again_for_a_while(engine):
    """Those deleted after a moment come with when that was, also once reopened; one that is back is none of them."""
    async with engine.store() as store:
        early, late, back = seen("early"), seen("late"), seen("back")
        other = seen("other", account="other")
        await store.record("default", [early, late, back])
        await store.record("other", [other])
        await store.record(
            "default", [gone(early, now=SINCE + 1000), gone(late, now=SINCE + 9000), gone(back, now=SINCE + 9000)]
        )
        await store.record("other", [gone(other, now=SINCE + 9000)])
        await store.record("default", [seen("back", now=SINCE + 9500)])
    async with engine.store() as store:
        assert await store.deleted_since("default", SINCE) == {"early": SINCE + 1000, "late": SINCE + 9000}
        assert await store.deleted_since("default", SINCE + 1000) == {"late": SINCE + 9000}
        assert await store.deleted_since("nowhere", 0) == {}


async def test_the_newest_jobs_are_those_created_last(store):
    """At most `limit` of those created after a moment, ended or not, but for deleted ones and other accounts'."""
    jobs = [seen(f"job-{number}", created_at=100 + number) for number in range(5)]
    await store.record("default", [*jobs, seen("ended", created_at=200, status="FAILED")])
    await store.record("other", [seen("other", account="other", created_at=300)])
    await store.record("default", [gone(jobs[4])])
    assert list(await store.newest_ids("default", 0, 3)) == ["ended", "job-3", "job-2"]
    assert set(await store.newest_ids("default", 101, 80)) == {"ended", "job-3", "job-2"}
    assert not await store.newest_ids("nowhere", 0, 3)


async def test_a_deleted_job_is_known_and_not_active(store):
    """A deletion takes the job from the active ones and is remembered."""
    change = seen(status="RUNNING")
    await store.record("default", [change])
    await store.record("default", [gone(change)])
    assert await store.active_jobs("default") == {}
    assert await store.known_jobs("default", ["job-1"]) == {"job-1": gone(change).known}


async def test_jobs_are_those_of_the_account(store):
    """The same id under two accounts is two jobs."""
    await store.record("default", [seen(model="small")])
    await store.record("other", [seen(account="other", model="large")])
    for account, model in (("default", "small"), ("other", "large")):
        assert (await store.active_jobs(account))["job-1"].job.model == model
        assert (await store.known_jobs(account, ["job-1"]))["job-1"].job.model == model
        assert await store.count_created(account, 0) == 1
    assert await store.active_jobs("third") == {}


@pytest.mark.parametrize("count", [0, 1, 40_000])
async def test_known_takes_any_number_of_ids(store, count):
    """Of many ids that are asked for at once those known are found, wherever they stand, and no others."""
    await store.record("default", [seen("here"), seen("not-asked-for")])
    ids = [f"absent-{number}" for number in range(count)] + ["here"]
    assert list(await store.known_jobs("default", ids)) == ["here"]
    assert await store.known_jobs("default", ids[:-1]) == {}


@pytest.mark.parametrize("id_", ["ünïcode-✓-\U0001f600", "a\0b", "quote'\"%_*", " ", "a" * 256, "[]", "null", "1"])
async def test_an_id_is_found_as_it_is_spelled(store, id_):
    """Whatever characters an id has, the job is found under it, and under nothing like it."""
    await store.record("default", [seen(id_)])
    assert list(await store.known_jobs("default", [id_, id_[:1], id_ + " ", "a"])) == [id_]
    assert list(await store.active_jobs("default")) == [id_]


async def test_every_property_comes_back(store):
    """A job returns from the store equal to what was recorded: nested, unknown, absent and null properties too."""
    job = a_job(
        input_files=("a", "b"),
        metadata={"nested": {"list": [1, 2.5, None, True, "ü\0"]}, "": ""},
        errors=[{"message": "bad", "count": 3}],
        total_requests=2**53 - 1,
        extra={"priority": "high", "object": 17, "big": 2**64 + 1},
    )
    change = msgspec.structs.replace(seen(), known=Known(job))
    await store.record("default", [change])
    assert (await store.active_jobs("default"))["job-1"] == Known(job, logged_at=SINCE)


async def test_counting_by_creation(store):
    """`count_created` counts what was created later than asked, not at the same second, active or not."""
    await store.record("default", [seen("a", created_at=10, status="SUCCESS"), seen("b", created_at=20)])
    await store.record("default", [seen("c", created_at=20, status="FAILED"), seen("d", created_at=30)])
    counts = {after: await store.count_created("default", after) for after in (9, 10, 19, 20, 29, 30)}
    assert counts == {9: 4, 10: 3, 19: 3, 20: 1, 29: 1, 30: 0}


async def test_the_creation_of_the_nth_newest(store):
    """`created_of_newest` counts from 0 at the newest, ties included, and is None beyond the oldest."""
    await store.record("default", [seen(f"job-{n}", created_at=at) for n, at in enumerate((20, 10, 30, 20))])
    assert [await store.creation_of_nth_newest("default", nth) for nth in range(5)] == [30, 20, 20, 10, None]
    assert await store.creation_of_nth_newest("other", 0) is None


async def test_seq_has_no_gaps(engine, store):
    """`seq` is 1, 2, 3, … over all records and accounts, in the order in which the events were given."""
    first, second = seen(status="RUNNING"), seen("job-2", account="other")
    await store.record("default", [first, seen("job-3")])
    await store.record("other", [second])
    await store.record("default", [])
    await store.record("default", [moved(first, status="SUCCESS")])
    log = await engine.log()
    assert [event["seq"] for event in log] == [1, 2, 3, 4, 5]
    assert [(event["type"], event["data"]["id"]) for event in log] == [
        ("batch.created", "job-1"),
        ("batch.started", "job-1"),
        ("batch.created", "job-3"),
        ("batch.created", "job-2"),
        ("batch.completed", "job-1"),
    ]


async def test_two_changes_of_one_job_in_one_record(engine, store):
    """The later change of a job is the one that is known afterwards, its last event the job's `seq`."""
    first = seen()
    second = moved(first, status="RUNNING")
    await store.record("default", [first, second])
    assert await store.active_jobs("default") == {"job-1": second.known}
    assert (await engine.jobs())["default", "job-1"]["seq"] == 2


@pytest.mark.parametrize(
    "statuses", [("RUNNING", "SUCCESS"), ("SUCCESS", "RUNNING"), ("RUNNING", "RUNNING"), ("QUEUED", "RUNNING")]
)
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_progress_among_other_changes_of_a_job_in_one_record(engine, store, statuses, known):
    """Progress before or behind other changes of its job, or of a job that is not there: the last of them is what is known."""
    first = seen(status="RUNNING", total_requests=9)
    if known:
        await store.record("default", [first])
    second = moved(first, completed_requests=1, status=statuses[0])
    third = moved(second, completed_requests=2, status=statuses[1])
    await store.record("default", [second, third])
    job = (await engine.jobs())["default", "job-1"]
    assert (job["status"], job["completed_requests"], job["seq"]) == (statuses[1], 2, 4 if known else 2)
    assert await store.active_jobs("default") == ({"job-1": third.known} if third.known.active else {})


async def test_first_seen_stays(engine, store):
    """When a job was first seen stays as it was, when it was last observed does not."""
    first = seen()
    await store.record("default", [first])
    await store.record("default", [moved(first, now=SINCE + 90_000, status="RUNNING")])
    job = (await engine.jobs())["default", "job-1"]
    assert job["first_seen_at"] == "2025-06-15T15:06:40.000Z"
    assert job["observed_at"] == "2025-06-15T15:08:10.000Z"


async def test_a_record_is_all_or_nothing(engine, store):
    """Where one event cannot be logged nothing of the record is: no event, no job, no watermark, and `seq` is not spent."""
    await store.checkpoint("default", CHECKPOINT)
    before = seen("before")
    await store.record("default", [before], watermark=100)

    bad = with_the_id_of(seen("bad"), before)
    with pytest.raises(StorageError, match="recording events failed"):
        await store.record("default", [moved(before, status="RUNNING"), *seen_many(20), bad], watermark=200)

    assert [event["data"]["id"] for event in await engine.log()] == ["before"]
    assert list(await engine.jobs()) == [("default", "before")]
    assert await store.active_jobs("default") == {"before": before.known}
    assert (await store.checkpoint("default", CHECKPOINT)).watermark == 100

    await store.record("default", [seen("after")], watermark=300)
    assert [event["seq"] for event in await engine.log()] == [1, 2]
    assert (await store.checkpoint("default", CHECKPOINT)).watermark == 300


async def test_what_was_recorded_is_there_after_reopening(engine):
    """Events, jobs, checkpoint and watermark outlive the process that wrote them, and the log goes on where it ended."""
    change = seen(status="RUNNING", metadata={"team": "research"})
    async with engine.store() as store:
        await store.checkpoint("default", CHECKPOINT)
        await store.record("default", [change], watermark=100)
        log, jobs = await engine.log(), await engine.jobs()
    async with engine.store() as store:
        assert (await engine.log(), await engine.jobs()) == (log, jobs)
        assert await store.active_jobs("default") == {"job-1": change.known}
        assert (await store.checkpoint("default", CHECKPOINT)).watermark == 100
        await store.record("default", [moved(change, status="SUCCESS")])
        assert [event["seq"] for event in await engine.log()] == [1, 2, 3]


async def test_a_healthy_store_says_so(store):
    """`probe` finds nothing wrong with a new store, nor with one in use."""
    assert await store.probe() is None
    await store.record("default", [seen()])
    assert await store.probe() is None


async def test_snapshot_is_of_the_last_commit(store):
    """It is empty before the active jobs were read, follows each record, and one that was taken stays as it was."""
    first, second = seen("first", status="RUNNING"), seen("second", status="RUNNING")
    await store.record("default", [first])
    assert store.active_jobs_snapshot("default") == {}
    await store.active_jobs("default")
    before = store.active_jobs_snapshot("default")
    assert before == {"first": first.known.job}
    await store.record("default", [second, moved(first, status="SUCCESS")])
    assert store.active_jobs_snapshot("default") == {"second": second.known.job}
    assert before == {"first": first.known.job}
    assert store.active_jobs_snapshot("other") == {}
