"""`deliveries` and `replay`, run as a user would, beside a running daemon and without one."""

import json
import signal

import pytest
from fixed_receiver import answering, installed
from matrix import matrix

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Outcome, Result, settle
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.event import iso
from tracker.core.events.job_diff import diff, first_seen
from tracker.core.jobs.job_reading import read_job
from tracker.daemon.control.control_file import control_file_path
from tracker.store.opening import open_store

SINCE = 1_750_000_000_000
SUBSCRIPTIONS = [
    Subscription(receiver="pipeline", events=("batch.completed", "batch.progress")),
    Subscription(receiver="other", events=("batch.completed",)),
]


def job(id_, status, done):
    counters = {"total_requests": 10, "completed_requests": done, "succeeded_requests": done, "failed_requests": 0}
    return read_job({"id": id_, "status": status, "created_at": SINCE // 1000} | counters)


async def attempt(store, seq, receiver, *outcomes):
    """Settle one attempt after the other of one delivery, a second each, the last of which ends it."""
    for number, outcome in enumerate(outcomes):
        (delivery,) = [each for each in await store.outbox.claim(receiver, SINCE * 2, 1e9, 100, ()) if each.seq == seq]
        span = (SINCE + number * 1000, SINCE + number * 1000 + 500)
        settlement = settle(delivery, outcome, (1.0,) * (len(outcomes) - 1), span, 0.5)
        await store.outbox.settle(receiver, [settlement], Circuit())


FAILED = Outcome(result=Result.SERVER, status=500, detail="HTTP 500", answer="out of \x1b[31morder")
REFUSED = Outcome(result=Result.REFUSED, status=403, detail="HTTP 403", answer="no entry")
DELIVERED = Outcome(result=Result.DELIVERED, status=204)


async def log_deliveries(database):
    """A log of five events, and their deliveries in every state there is: seqs 1 and 4 have none."""
    async with open_store(database, SUBSCRIPTIONS) as store:
        seen = first_seen("default", job("job-a", "QUEUED", 0), SINCE)
        moved = diff("default", seen.known, job("job-a", "QUEUED", 5), SINCE + 1000)
        ended = diff("default", moved.known, job("job-a", "SUCCESS", 10), SINCE + 2000)
        await store.record("default", [seen, moved])
        await store.record("default", [ended])
        await store.record("default", [first_seen("default", job("job-b", "SUCCESS", 10), SINCE + 3000)])
        await attempt(store, 3, "pipeline", FAILED, REFUSED)
        await attempt(store, 3, "other", DELIVERED)


def a_delivery(seq, receiver, state, attempts, due_at, ended_at, **about):
    ids = {"event_id": about.pop("event_id"), "type": "batch.completed", "account": "default", "job": "job-a"} | about
    return {
        "seq": seq,
        "receiver": receiver,
        **ids,
        "state": state,
        "attempts": attempts,
        "due_at": due_at,
        "ended_at": ended_at,
        "silence": None,
    }


def an_attempt(number, outcome):
    began_at = SINCE + (number - 1) * 1000
    return {
        "number": number,
        "began_at": iso(began_at),
        "ended_at": iso(began_at + 500),
        "result": outcome.result.value,
        "status": outcome.status,
        "detail": outcome.detail,
        "answer": outcome.answer,
    }


@pytest.fixture
async def installation(tmp_path):
    installation = installed(tmp_path, pipeline="http://127.0.0.1:1", other="http://127.0.0.1:1")
    await log_deliveries(installation.database)
    return installation


NO_DAEMON = "no daemon is running; no sweep is recorded\n"


async def listed(installation, *options):
    done = await installation.command("deliveries", "--json", *options)
    assert (done.returncode, done.stderr.partition(";")[0]) in ((0, ""), (0, "no daemon is running"))
    return [json.loads(line) for line in done.stdout.splitlines()]


async def states(installation, receiver="pipeline"):
    return {each["seq"]: each["state"] for each in await listed(installation, "--receiver", receiver)}


async def test_deliveries_are_listed_with_their_attempts(installation):
    """Each is an object a line, in the log's order, with the keys of the contract in theirs, times as ISO 8601."""
    events = [json.loads(line) for line in (await installation.command("events", "--json")).stdout.splitlines()]
    ids = {event["seq"]: event["id"] for event in events}
    attempts = [an_attempt(1, FAILED), an_attempt(2, REFUSED)]
    ended, last = iso(SINCE + 500), iso(SINCE + 1500)
    expected = [
        a_delivery(
            2, "pipeline", "superseded", [], iso(SINCE + 1000), iso(SINCE + 2000), event_id=ids[2], type="batch.progress"
        ),
        a_delivery(3, "other", "delivered", [an_attempt(1, DELIVERED)], ended, ended, event_id=ids[3]),
        a_delivery(3, "pipeline", "dead", attempts, last, last, event_id=ids[3]),
        a_delivery(5, "other", "pending", [], iso(SINCE + 3000), None, event_id=ids[5], job="job-b"),
        a_delivery(5, "pipeline", "pending", [], iso(SINCE + 3000), None, event_id=ids[5], job="job-b"),
    ]
    found = await listed(installation)
    assert found == expected
    assert [list(each) for each in found] == [list(each) for each in expected]


@pytest.mark.parametrize(
    ("options", "wanted"),
    matrix(
        [
            (("--state", "pending"), [(5, "other"), (5, "pipeline")]),
            (("--state", "dead", "--state", "delivered"), [(3, "other"), (3, "pipeline")]),
            (("--receiver", "other"), [(3, "other"), (5, "other")]),
            (("--job", "job-b"), [(5, "other"), (5, "pipeline")]),
            (("--job", "job-a", "--receiver", "pipeline", "--state", "superseded"), [(2, "pipeline")]),
            (("--limit", "2"), [(5, "other"), (5, "pipeline")]),
            (("--limit", "99", "--job", "job-b"), [(5, "other"), (5, "pipeline")]),
            (("--limit", "1", "--receiver", "pipeline", "--job", "job-a"), [(3, "pipeline")]),
        ]
    ),
)
async def test_deliveries_are_filtered(installation, options, wanted):
    """Each filter shows just the deliveries that it is for; a limit the last ones."""
    assert [(each["seq"], each["receiver"]) for each in await listed(installation, *options)] == wanted


async def test_table_of_deliveries(installation):
    """The table has a line for each delivery, with what the last attempt came to, and nothing that steers a terminal."""
    table = (await installation.command("deliveries")).stdout
    header, *lines = table.splitlines()
    assert header.split() == ["seq", "receiver", "event", "job", "state", "attempts", "due", "or", "ended", "last", "result"]
    assert [line.split()[:6] for line in lines] == [
        ["2", "pipeline", "batch.progress", "job-a", "superseded", "0"],
        ["3", "other", "batch.completed", "job-a", "delivered", "1"],
        ["3", "pipeline", "batch.completed", "job-a", "dead", "2"],
        ["5", "other", "batch.completed", "job-b", "pending", "0"],
        ["5", "pipeline", "batch.completed", "job-b", "pending", "0"],
    ]
    assert lines[2].rstrip().endswith("refused HTTP 403")
    assert " due 2025-06-15 " in lines[3]
    assert "\x1b" not in table
    none = await installation.command("deliveries", "--job", "job-a", "--state", "pending")
    assert (none.returncode, none.stdout, none.stderr) == (0, "", f"{NO_DAEMON}no delivery matches\n")


@pytest.mark.parametrize(
    ("options", "status", "said"),
    matrix(
        [
            (("--receiver", "unknown", "--dead"), 2, "no receiver 'unknown' in the configuration; there are: pipeline, other"),
            (("--receiver", "pipeline", "--from-seq", "6"), 1, "nothing to replay: the log has no event in this range"),
            (("--receiver", "pipeline", "--since", "2030-01-01"), 1, "nothing to replay: the log has no event in this range"),
            (("--receiver", "other", "--dead"), 1, "nothing to replay: no delivery to other is dead"),
            (
                ("--receiver", "other", "--seq", "2"),
                1,
                "other has no delivery of event 2; --from-seq 2 --to-seq 2 would make one",
            ),
            (
                ("--receiver", "pipeline"),
                2,
                "found none of --seq, --dead, --silence, --from-seq, --since, expected exactly one of them",
            ),
            (("--receiver", "pipeline", "--dead", "--seq", "2"), 2, "found --seq and --dead of"),
            (("--receiver", "pipeline", "--since", "yesterday"), 2, "found 'yesterday', expected a time, such as"),
            (("--receiver", "pipeline", "--since", "0001-01-01"), 2, "Error"),
            (("--receiver", "pipeline", "--seq", "0"), 2, "`int` >= 1 - at `--seq`"),
            (("--dead",), 2, "Missing option '--receiver'"),
        ]
    ),
)
async def test_what_cannot_be_replayed(installation, options, status, said):
    """An unknown receiver and an empty choice are status 1, a wrong one 2, and each is said; nothing is changed."""
    before = await listed(installation)
    done = await installation.command("replay", *options)
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert await listed(installation) == before


@pytest.mark.parametrize(
    ("options", "said", "now_pending"),
    matrix(
        [
            (("--dead",), "1 delivery to pipeline", {3, 5}),
            (("--seq", "3"), "1 delivery to pipeline", {3, 5}),
            (("--from-seq", "1", "--to-seq", "3"), "3 deliveries to pipeline", {1, 2, 3, 5}),
            (("--from-seq", "4"), "2 deliveries to pipeline", {4, 5}),
            (("--since", "2025-06-15T15:06:41+00:00", "--until", "2025-06-15T15:06:43Z"), "2 deliveries to", {2, 3, 5}),
            (("--since", "2025-06-15 17:06:42+02:00"), "3 deliveries to pipeline", {3, 4, 5}),
        ]
    ),
)
async def test_replay_without_a_daemon(installation, options, said, now_pending):
    """Where none is running the command writes itself, needs no secret for it, and says when it will be delivered."""
    installation.environment = {}
    done = await installation.command("replay", "--receiver", "pipeline", *options)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(said)
    assert "no daemon is running" in done.stdout
    found = await states(installation)
    assert {seq for seq, state in found.items() if state == "pending"} == now_pending
    assert await states(installation, "other") == {3: "delivered", 5: "pending"}


@pytest.mark.slow
async def test_receiver_that_was_disabled_is_reported_to_be_enabled(installation):
    """A replay for a receiver that had answered 410 says that it is enabled again, whether or not it had dead deliveries."""
    for options, more in ((("--dead",), ""), (("--seq", "3"), "1 delivery to other pending again; ")):
        async with open_store(installation.database) as store:
            await store.outbox.settle("other", [], Circuit(failures=1, disabled=True))
        done = await installation.command("replay", "--receiver", "other", *options)
        first, *rest = done.stdout.splitlines()
        assert (done.returncode, done.stderr) == (0, "")
        assert first == "other was disabled, as it had answered that it is gone; it is enabled again"
        assert "".join(rest).startswith(more)
        async with open_store(installation.database) as store:
            assert not (await store.outbox.circuit("other")).disabled


@pytest.mark.parametrize("command", matrix(["replay --receiver pipeline --dead", "deliveries"]))
async def test_no_database_is_reported_and_none_is_made(tmp_path, command):
    """Both commands say that there is no database, with status 1, and do not make one."""
    installation = installed(tmp_path, pipeline="http://127.0.0.1:1")
    done = await installation.command(*command.split())
    assert (done.returncode, done.stdout) == (1, "")
    assert "there is no database" in done.stderr
    assert not installation.database.exists()


@pytest.mark.slow
async def test_replay_beside_a_daemon_and_after_it_was_killed(tmp_path):
    """Through the daemon it is delivered at once; where that was killed the command writes itself; never both."""
    async with answering() as receiver:
        installation = installed(tmp_path, pipeline=receiver.url, other="http://127.0.0.1:1")
        await log_deliveries(installation.database)
        async with installation.running() as daemon:
            await receiver.wait_for(1)
            done = await installation.command("replay", "--receiver", "pipeline", "--dead")
            assert (done.returncode, done.stdout) == (0, "1 delivery to pipeline pending again; they are on their way\n")
            assert [event["seq"] for event in await receiver.wait_for(2)] == [5, 3]
            assert (await daemon.says("deliveries.replayed"))["deliveries"] == 1
            unknown = await installation.command("replay", "--receiver", "unknown", "--dead")
            assert (unknown.returncode, "there are: pipeline, other" in unknown.stderr) == (2, True)
            daemon.process.send_signal(signal.SIGKILL)
            await daemon.process.wait()
        assert control_file_path(installation.database).exists()
        done = await installation.command("replay", "--receiver", "pipeline", "--seq", "3")
        assert (done.returncode, "no daemon is running" in done.stdout) == (0, True)
        async with installation.running() as daemon:
            assert (await receiver.wait_for(3))[-1]["seq"] == 3
            assert await daemon.stop(signal.SIGTERM) == 0
        assert not control_file_path(installation.database).exists()


@pytest.mark.slow
async def test_daemon_that_cannot_be_asked(installation):
    """Where a daemon has the database and its file is gone, nothing is written, and both are said."""
    async with installation.running() as daemon:
        control_file_path(installation.database).unlink()
        before = (await states(installation))[3]
        done = await installation.command("replay", "--receiver", "pipeline", "--dead")
        assert (done.returncode, done.stdout, before) == (1, "", "dead")
        assert f"in use by another batch-tracker, process {daemon.process.pid}, and that cannot be asked" in done.stderr
        assert f"{control_file_path(installation.database)}: No such file or directory" in done.stderr
        assert (await states(installation))[3] == "dead"
