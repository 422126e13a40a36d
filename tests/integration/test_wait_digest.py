"""`wait` beside a daemon that archives: the digest is waited for as long as a first attempt is under way, and not longer."""

from contextlib import asynccontextmanager

import anyio
import pytest
from archiving import NOW, SAID, ended, missing_file, results_of
from job_changes import SINCE, moved, seen

from tracker.cli.wait import log_source
from tracker.cli.wait.log_source import LogSource
from tracker.cli.wait.state import Waiting
from tracker.cli.wait.view import LineView
from tracker.core.ports.store import Checkpoint
from tracker.store.opening import open_reader, open_store

COUNTED = {"total_requests": 3, "completed_requests": 3, "succeeded_requests": 2, "failed_requests": 1}


class View(LineView):
    """Says when a job is over."""

    def __init__(self, **how):
        super().__init__(**{"as_json": False, "quiet": False} | how)
        self.over = anyio.Event()

    def job_ended(self, awaited):  # noqa: ARG002 - as the view has it
        self.over.set()


class Asked:
    """A reader that says when the results of a job were asked for."""

    def __init__(self, reader):
        self._reader = reader
        self.results_asked = anyio.Event()

    def __getattr__(self, name):
        return getattr(self._reader, name)

    async def results(self, account, job_id):
        found = await self._reader.results(account, job_id)
        self.results_asked.set()
        return found


@asynccontextmanager
async def followed(path, view):
    """A running job whose results will be archived, the log that is followed, and what is awaited."""
    async with open_store(path / "tracker.db") as store:
        await store.checkpoint("default", Checkpoint(since=SINCE, horizon=0))
        store.archive.enable(["default"])
        change = seen("job-1", status="RUNNING")
        await store.record("default", [change])
        async with open_reader(path / "tracker.db") as reader, anyio.create_task_group() as group:
            waiting = Waiting(["job-1"], view)
            asked = Asked(reader)
            log = LogSource(asked, waiting, None)
            await log.look_up()
            group.start_soon(log.follow, running)
            with anyio.fail_after(30):
                yield store, change, asked, waiting.all[0]
            group.cancel_scope.cancel()


async def running():
    return True


def end_of(change):
    return moved(change, now=NOW, status="SUCCESS", output_file="out", error_file="err", **COUNTED)


async def test_digest_is_waited_for(tmp_path, monkeypatch):
    """The job is over, and is shown with its digest once its files are archived for the first time."""
    monkeypatch.setattr(log_source, "DIGEST_GRACE_SECONDS", 1000.0)
    async with followed(tmp_path, view := View()) as (store, change, asked, awaited):
        over = end_of(change)
        await store.record("default", [over])
        await asked.results_asked.wait()
        assert not view.over.is_set()
        await store.archive.record(results_of(over, missing=(missing_file(),), **SAID))
        await view.over.wait()
        assert awaited.result == "partial"
        assert awaited.digest["groups"][0]["message"] == "wait"


@pytest.mark.parametrize("why", ["a first attempt failed", "it takes too long", "the view shows none"])
async def test_digest_is_not_waited_for_in_vain(tmp_path, monkeypatch, why):
    """Where an attempt failed, time is up, or the view shows no errors, the job is over without a digest."""
    monkeypatch.setattr(log_source, "DIGEST_GRACE_SECONDS", 0.05 if why == "it takes too long" else 1000.0)
    view = View(as_json=why == "the view shows none")
    async with followed(tmp_path, view) as (store, change, asked, awaited):
        await store.record("default", [end_of(change)])
        if why == "a first attempt failed":
            await asked.results_asked.wait()
            await store.archive.fail("default", "job-1", NOW, "network", "no answer")
        await view.over.wait()
        assert (awaited.result, awaited.digest) == ("partial", None)


async def test_success_and_earlier_ends_wait_for_nothing(tmp_path):
    """A success has no digest to show; a job that was over before is shown with what there is, as no daemon may run."""
    async with open_store(tmp_path / "tracker.db") as store:
        await store.checkpoint("default", Checkpoint(since=SINCE, horizon=0))
        store.archive.enable(["default"])
        await store.record("default", [ended("job-1", **COUNTED)])
        async with open_reader(tmp_path / "tracker.db") as reader:
            waiting = Waiting(["job-1"], View())
            with anyio.fail_after(30):
                await LogSource(reader, waiting, None).look_up()
    assert (waiting.all[0].result, waiting.all[0].digest) == ("partial", None)
