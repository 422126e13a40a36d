"""The loop round the sweeps: when the next one is due, and what the log says of the last."""

from contextlib import asynccontextmanager
from functools import partial

import msgspec
import pytest
from storage_engines import ON_EACH, open_any_store
from structlog.testing import capture_logs
from tables import fetch

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.health.readiness import Health
from tracker.core.jobs.job import Page
from tracker.core.jobs.job_reading import read_job
from tracker.metrics import Metrics
from tracker.polling.poll_loop import PollLoop, log_recorded
from tracker.polling.poller import Poller
from tracker.polling.recorder import Callbacks
from tracker.providers.mistral.jobs_api import CAPABILITIES
from tracker.store.database_file_commands import verify

NOW = 1_795_500_000_000
COUNTERS = ("total_requests", "completed_requests", "succeeded_requests", "failed_requests")


class Scripted:
    """A provider that gives the answers that it was given, and the last one again and again."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.jobs = []  # what gets are answered, likewise
        self.asked = []

    async def get_job(self, job_id):
        self.asked.append(job_id)
        return self.jobs.pop(0) if len(self.jobs) > 1 else self.jobs[0]

    capabilities = CAPABILITIES

    async def list_jobs(self, _query, _token, _page_size):
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def page(*jobs):
    return Page(tuple(jobs), (), len(jobs))


def job(id_, status, **counters):
    return read_job({"id": id_, "status": status, "created_at": NOW // 1000} | dict.fromkeys(COUNTERS, 0) | counters)


@asynccontextmanager
async def watching(path, *answers):
    health, metrics = Health(["default"]), Metrics()
    metrics.configured({"default": 15.0}, [])
    async with open_any_store(path) as store:
        callbacks = Callbacks(recorded=partial(log_recorded, "default"))
        poller = Poller("default", Scripted(*answers), store, backfill=0.0, now=lambda: NOW, callbacks=callbacks)
        with capture_logs() as lines:
            watcher = PollLoop(poller, 15.0, health, metrics, lambda: 0.5)
            watcher.lines, watcher.health, watcher.metrics = lines, health, metrics
            yield watcher


def failed(reason, retry_after=None):
    return Failure(reason, "refused", retry_after)


async def test_quiet_sweeps_come_at_the_interval(database):
    """A good sweep is followed by the next after the interval, spread by a tenth at most."""
    async with watching(database, page()) as watcher:
        assert [await watcher.sweep_once() for _ in range(3)] == [15.0] * 3
    assert watcher.health.accounts["default"].swept_at == NOW
    assert watcher.health.accounts["default"].due_at == NOW + 15_000


class Noted:
    """A store, and what it was asked for in `asked`."""

    def __init__(self, store, asked):
        self._store, self._asked = store, asked

    def __getattr__(self, name):
        self._asked.append(name)
        return getattr(self._store, name)


async def test_each_answer_of_the_store_is_a_heartbeat_of_the_sweep(database):
    """Of a hundred accounts that begin at once each queues for the store again and again: that is no hang."""
    heard = []
    async with open_any_store(database) as store:
        callbacks = Callbacks(beat=lambda: heard.append("beat"))
        provider = Scripted(page(job("a", "RUNNING"), job("b", "QUEUED")))
        await Poller("default", provider, Noted(store, heard), backfill=0.0, now=lambda: NOW, callbacks=callbacks).poll_once()
    asked = heard[::2]
    assert {"checkpoint", "active_jobs", "creation_of_nth_newest", "count_created", "known_jobs", "record"} <= {*asked}
    assert heard[1::2] == ["beat"] * len(asked)


@pytest.mark.parametrize(
    ("reason", "longest"),
    [(Reason.SERVER, 60.0), (Reason.NETWORK, 60.0), (Reason.UNAUTHORISED, 300.0), (Reason.NOT_ENABLED, 300.0)],
)
async def test_failures_are_followed_by_longer_and_longer_waits(database, reason, longest):
    """Each failure doubles the wait, three quarters of it at jitter 0.5, up to a minute; five where an operator has to act."""
    async with watching(database, failed(reason)) as watcher:
        waits = [await watcher.sweep_once() for _ in range(8)]
    assert waits == [0.75 * min(longest, 15.0 * 2**failures) for failures in range(8)]


def backoff(watcher):
    """What the metrics say."""
    (line,) = [
        line for line in watcher.metrics.render().splitlines() if line.startswith(b"batchtracker_sweep_backoff_seconds{")
    ]
    return float(line.split()[-1])


async def test_metrics_say_how_long_is_waited_since_a_failure(tmp_path, path):
    """The wait after a failed sweep or a store that fails is on the page, and 0 once a sweep was good."""
    async with watching(path, failed(Reason.NETWORK), page()) as watcher:
        assert await watcher.sweep_once() == backoff(watcher) > 0
        await watcher.sweep_once()
        assert backoff(watcher) == 0
        path.rename(tmp_path / "away.db")
        assert await watcher.sweep_once() == backoff(watcher) > 0


async def test_patience_asked_for_is_kept(database):
    """A Retry-After that is longer than the back-off is waited for."""
    async with watching(database, failed(Reason.RATE_LIMITED, 600.0)) as watcher:
        assert await watcher.sweep_once() == 600.0


async def test_failing_account_is_reported_and_its_recovery_too(database):
    """Each failed sweep is reported with its number (the log throttles it), the recovery once."""
    answers = [failed(Reason.NETWORK)] * 3 + [page()]
    async with watching(database, *answers) as watcher:
        waits = [await watcher.sweep_once() for _ in range(5)]
    assert waits[-2:] == [15.0, 15.0]
    keys = ("log_level", "event", "account", "failed_sweeps")
    reported = [tuple(line[key] for key in keys) for line in watcher.lines if line["log_level"] != "debug"]
    failing = [("warning", "sweep.failed", "default", number) for number in (1, 2)]
    assert reported == [*failing, ("info", "sweep.recovered", "default", 2)]


async def test_an_early_success_is_followed_up_before_the_next_sweep(database):
    """A SUCCESS without its output is asked for by id soon after, long before the next sweep, and logged when it has it."""
    done = {"total_requests": 5, "completed_requests": 5, "succeeded_requests": 5}
    early, whole = job("late", "SUCCESS", **done), msgspec.structs.replace(job("late", "SUCCESS", **done), output_file="file")
    clock = iter(range(NOW, NOW + 3_600_000, 400))
    async with watching(database, page(job("late", "RUNNING")), page(early)) as watcher:
        poller = watcher._poller = Poller(
            "default",
            watcher._poller.provider,
            watcher._poller.store,
            backfill=0.0,
            now=lambda: next(clock),
            settle_for=3600.0,
            callbacks=Callbacks(recorded=partial(log_recorded, "default")),
        )
        poller.provider.jobs = [early, whole]
        assert poller.next_follow_up() is None
        await watcher.sweep_once()
        await watcher.sweep_once()
        assert poller.next_follow_up() is not None
        for _ in range(100):
            await watcher.follow_up_once()
        assert poller.next_follow_up() is None
        assert poller.provider.asked == ["late", "late"]
    (line,) = [line for line in watcher.lines if line["event"] == "batch.completed"]
    assert line["outcome"] == "success"


async def test_what_cannot_be_read_is_reported_and_its_recovery_too(database):
    """A job whose get fails is named in log, health and metrics, the account is well, and the log says when it is over."""
    active, gone = page(job("bad", "RUNNING"), job("good", "RUNNING")), page(job("good", "RUNNING"))
    async with watching(database, active, gone) as watcher:
        watcher._poller.provider.jobs = [failed(Reason.SERVER)]
        await watcher.sweep_once()
        await watcher.sweep_once()
        health = watcher.health.accounts["default"]
        assert (health.failure, [each.job for each in health.unreadable]) == (None, ["bad"])
        assert watcher.health.status(None) == "starting; account default: 1 unreadable"
        rendered = watcher.metrics.render()
        for series in (
            b'batchtracker_account_unreadable{account="default"} 1.0',
            b'batchtracker_job_unreadable{account="default",job="bad"} 1.0',
            b'batchtracker_sweeps_total{account="default",result="partial"} 1.0',
            b'batchtracker_account_up{account="default"} 1.0',
        ):
            assert series in rendered
        watcher._poller.provider.jobs = [job("bad", "FAILED")]
        await watcher.sweep_once()
        assert b"batchtracker_job_unreadable{" not in watcher.metrics.render()
    said = [(line["event"], line["what"]) for line in watcher.lines if "what" in line]
    assert said == [("entry.unreadable", "job bad"), ("entry.recovered", "job bad")]


async def test_batch_that_came_to_nothing_is_a_warning(database):
    """A SUCCESS of which every request failed looks like a failure; what a job goes through is for those who ask."""
    first = page(*(job(name, "RUNNING") for name in ("good", "nothing", "bad", "late", "moves", "ends", "odd")))
    done = {"total_requests": 5, "completed_requests": 5}
    second = page(
        job("good", "SUCCESS", **done, succeeded_requests=5),
        job("nothing", "SUCCESS", **done, failed_requests=5),
        job("bad", "FAILED"),
        job("late", "TIMEOUT_EXCEEDED"),
        job("moves", "RUNNING", total_requests=5),
        job("ends", "CANCELLED"),
        job("odd", "PAUSED"),
    )
    async with watching(database, first, first, second) as watcher:
        await watcher.sweep_once()
        del watcher.lines[:]
        await watcher.sweep_once()
    reported = {(line["job"], line["log_level"], line["event"], line.get("outcome")) for line in watcher.lines if "job" in line}
    assert reported == {
        ("good", "info", "batch.completed", "success"),
        ("nothing", "warning", "batch.completed", "all_failed"),
        ("bad", "warning", "batch.failed", None),
        ("late", "warning", "batch.expired", None),
        ("moves", "debug", "batch.progress", None),
        ("ends", "info", "batch.cancelled", None),
        ("odd", "warning", "batch.unrecognized", None),
    }


async def test_end_that_went_wrong_says_why(database):
    """The line of an end has the job's errors as a sentence; a job that goes on, or that has no errors, has no such field."""
    errors = [{"message": "rate limited\n", "count": 12}]
    counters = {"total_requests": 20, "completed_requests": 20}
    jobs = (
        job("bad", "FAILED", **counters, errors=errors),
        job("partial", "SUCCESS", **counters, succeeded_requests=8, failed_requests=12, errors=errors),
        job("moves", "RUNNING", **counters, errors=errors),
        job("silent", "FAILED", **counters, errors=None),
    )
    async with watching(database, page(*jobs)) as watcher:
        await watcher.sweep_once()
    said = [(line["job"], line["error"]) for line in watcher.lines if "error" in line and line["event"] != "batch.created"]
    assert said == [("bad", "12 requests: rate limited"), ("partial", "12 requests: rate limited")]


async def test_store_that_fails_is_reported_and_tried_again_soon(path):
    """A lost database is an error in the log, makes the daemon not ready, and is no failure of the account."""
    async with watching(path, page()) as watcher:
        path.unlink()
        waits = [await watcher.sweep_once() for _ in range(3)]
    assert waits == [0.75, 1.5, 3.0]
    assert [(line["event"], line["account"]) for line in watcher.lines] == [("storage.failed", "default")] * 3
    assert str(path) in watcher.health.not_ready_because()[0]
    assert watcher.health.accounts["default"].failure is None


async def test_first_contact_is_one_line(database):
    """What was over before the first poll is one line with its number, not a line for each job."""
    over = [job(f"old-{number}", "SUCCESS", completed_at=NOW // 1000 - 3600) for number in range(50)]
    async with watching(database, page(*over)) as watcher:
        await watcher.sweep_once()
        await watcher.sweep_once()
    reported = [line for line in watcher.lines if line["log_level"] != "debug"]
    assert [(line["event"], line["jobs"]) for line in reported] == [("account.backfilled", 50)]


async def test_store_that_works_again_is_reported(tmp_path, path):
    """Once the database can be used again that is said, once."""
    async with watching(path, page()) as watcher:
        path.rename(tmp_path / "away.db")
        await watcher.sweep_once()
        (tmp_path / "away.db").rename(path)
        for _ in range(3):
            await watcher.sweep_once()
    reported = [line["event"] for line in watcher.lines if line["log_level"] != "debug"]
    assert reported == ["storage.failed", "storage.recovered"]


async def test_jobs_of_the_vendor_before_are_left_as_they_are(tmp_path):
    """An account that names another vendor asks it for no job of the one before, says so once, and takes none for deleted."""
    async with open_any_store(tmp_path / "tracker.db") as store:
        before = Scripted(page(job("job-1", "RUNNING")))
        await Poller("default", before, store, backfill=0.0, now=lambda: NOW).poll_once()
        other = Scripted(page())
        other.jobs = [Failure(Reason.NOT_FOUND, "no such job")]
        poller = Poller("default", other, store, backfill=0.0, now=lambda: NOW, vendor="openai")
        with capture_logs() as lines:
            await poller.poll_once()
            await poller.poll_once()
        assert [each for each in lines if each["event"] == "account.provider_changed"] == [
            {"event": "account.provider_changed", "log_level": "warning", "account": "default", "provider": "openai", "left": 1}
        ]
        assert other.asked == []
        assert [*await store.active_jobs("default")] == ["job-1"]


@ON_EACH
async def test_job_at_risk_is_reported_once_over_restarts(database):
    """The event commits with the counters, goes to who wants it, has a line in the log, and does not come again later."""

    def seen(failed):
        return page(job("a", "RUNNING", total_requests=100, completed_requests=failed, failed_requests=failed))

    team = Subscription(receiver="team", events=("batch.at_risk",))
    types = []
    for answers in [(seen(10), seen(20)), (seen(20), seen(30))]:
        async with open_any_store(database, [team]) as store:
            recorded = Callbacks(recorded=partial(log_recorded, "default"))
            scripted = Scripted(*answers)
            poller = Poller("default", scripted, store, backfill=0.0, now=lambda: NOW, callbacks=recorded, failed_share=0.5)
            with capture_logs() as lines:
                await poller.poll_once()
                await poller.poll_once()
            types.append([line["event"] for line in lines if line["log_level"] == "warning"])
            log = [type_ for (type_,) in await fetch(store, "SELECT type FROM events ORDER BY seq")]
            due = await store.outbox.claim("team", NOW, 900.0, 9, ())
    assert types == [["batch.at_risk"], []]
    assert log == ["batch.created", "batch.started", "batch.progress", "batch.at_risk", "batch.progress"]
    assert [delivery.type for delivery in due] == ["batch.at_risk"]
    assert verify(database).differences == ()
