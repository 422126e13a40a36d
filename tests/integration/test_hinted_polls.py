"""A hinted job is polled and recorded between two sweeps, and a hint that lies changes nothing."""

from contextlib import asynccontextmanager

import anyio
import pytest
from storage_engines import open_any_store

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.health.readiness import Health
from tracker.core.jobs.job import Job, MalformedJob, Page
from tracker.core.jobs.job_reading import read_job
from tracker.metrics import Metrics
from tracker.polling.hint_queue import HintQueue
from tracker.polling.poll_loop import PollLoop
from tracker.polling.poller import Poller
from tracker.polling.recorder import Callbacks
from tracker.providers.mistral.jobs_api import CAPABILITIES

NOW = 1_795_500_000_000
MISSING = Failure(Reason.NOT_FOUND, "no such job")
WHOLE = {"total_requests": 2, "completed_requests": 2, "succeeded_requests": 2, "failed_requests": 0, "output_file": "file"}


def job(id_, status="RUNNING", **other):
    counters = dict.fromkeys(("total_requests", "completed_requests", "succeeded_requests", "failed_requests"), 0)
    return read_job({"id": id_, "status": status, "created_at": NOW // 1000 - 60} | counters | other)


class Api:
    """Has the jobs that the test gives it, but for those that no list shows, and counts."""

    capabilities = CAPABILITIES

    def __init__(self):
        self.jobs, self.listed, self.asked = {}, 0, []
        self.polled = anyio.Event()

    async def list_jobs(self, query, _token, _page_size):
        self.listed += 1
        jobs = (each for each in self.jobs.values() if isinstance(each, Job))
        found = [each for each in jobs if each.created_at > (query.created_after or 0)]
        return Page(tuple(found), (), len(found))

    async def get_job(self, job_id):
        self.asked.append(job_id)
        self.polled.set()
        return self.jobs.get(job_id, MISSING)


class HintWorld:
    """A poll loop whose next sweep is an hour away."""

    def __init__(self, store, api, group):
        self.store, self.api, self.hints, self.logged = store, api, HintQueue(), []
        self.at, self._grown = NOW, anyio.Event()
        self.poller = Poller(
            "default", api, store, backfill=86400.0, now=lambda: self.at, callbacks=Callbacks(recorded=self._record)
        )
        self.health = Health(["default"])
        loop = PollLoop(self.poller, 3600.0, self.health, Metrics(), lambda: 0.5, hints=self.hints)
        group.start_soon(loop.run)

    def _record(self, changes):
        self.logged += [(event.type, event.data["id"]) for change in changes for event in change.events]
        self._grown.set()
        self._grown = anyio.Event()

    async def logged_of(self, type_, job_id):
        while (type_, job_id) not in self.logged:
            await self._grown.wait()

    async def hint(self, job_id):
        """A hint, and its poll, with what that led to."""
        self.api.polled = anyio.Event()
        self.hints.add(job_id)
        await self.api.polled.wait()
        self.api.polled = anyio.Event()
        self.hints.add(f"after {len(self.api.asked)}")  # its poll begins when that before it is recorded
        with anyio.fail_after(10):
            await self.api.polled.wait()
            await anyio.wait_all_tasks_blocked()


@asynccontextmanager
async def hint_world(database, *jobs):
    api = Api()
    api.jobs = {each.id: each for each in jobs}
    async with open_any_store(database) as store, anyio.create_task_group() as group:
        with anyio.fail_after(20):
            world = HintWorld(store, api, group)
            await world.hint("polled after the first sweep")
            world.listed = api.listed
            api.asked.clear()
            yield world
        assert api.listed == world.listed, "a sweep came"
        group.cancel_scope.cancel()


async def test_the_end_of_a_hinted_job_is_logged_before_the_next_sweep(database):
    """One request, and the end is in the log."""
    async with hint_world(database, job("a"), job("b")) as world:
        world.api.jobs["a"] = job("a", "SUCCESS", **WHOLE)
        world.hints.add("a")
        await world.logged_of("batch.completed", "a")
        assert world.api.asked == ["a"]


async def test_a_poll_says_which_jobs_have_not_ended(database):
    """They are looked at again: of a hint that was earlier than the API, of a job that is not there yet, but not of an end."""
    async with hint_world(database, job("a"), job("b"), job("ended", "CANCELLED")) as world:
        world.api.jobs["b"] = job("b", "SUCCESS", **WHOLE)
        assert await world.poller.get_hinted(["a", "b", "unknown", "ended"]) == ["a", "unknown"]
        world.api.jobs["a"] = Failure(Reason.UNAUTHORISED, "refused")
        assert await world.poller.get_hinted(["a"]) is None


async def test_a_job_that_no_list_has_shown_is_logged_by_its_hint(database):
    """The webhook may be earlier than the sweep that would have shown the job."""
    async with hint_world(database) as world:
        world.api.jobs["new"] = job("new", "SUCCESS", **WHOLE)
        world.hints.add("new")
        await world.logged_of("batch.completed", "new")
        assert world.logged == [("batch.created", "new"), ("batch.completed", "new")]


async def test_a_hint_that_lies_changes_nothing(database):
    """What the API says is recorded, and nothing else."""
    async with hint_world(database, job("a")) as world:
        before = list(world.logged)
        await world.hint("a")
        assert world.logged == before
        assert "a" in (await world.store.active_jobs("default"))


async def test_a_job_that_has_ended_is_not_polled(database):
    """An end is final: a replay of its webhook costs no request."""
    async with hint_world(database, job("ended", "CANCELLED"), job("a")) as world:
        world.hints.add("ended")
        await world.hint("a")
        assert "ended" not in world.api.asked


@pytest.mark.parametrize("answer", [MISSING, MalformedJob("x", "no status")], ids=["missing", "malformed"])
async def test_a_job_that_the_api_does_not_have_is_forgotten(database, answer):
    """Hints of invented jobs are nothing: no event, and no suspicion of the account at any later time."""
    async with hint_world(database, job("a")) as world:
        world.api.jobs |= {f"invented {number}": answer for number in range(9)}
        before = list(world.logged)
        for number in range(9):
            await world.hint(f"invented {number}")
        assert world.logged == before
        world.at += 3_600_000
        report = await world.poller.poll_once()
        assert (report.failure, report.unreadable, world.logged) == (None, (), before)
        world.listed = world.api.listed


async def test_a_hint_deletes_no_job_sooner(database):
    """A 404 of a known job counts once, as any other: two hints a second apart prove nothing."""
    async with hint_world(database, job("a"), job("b")) as world:
        del world.api.jobs["a"]
        await world.hint("a")
        await world.hint("a")  # a second later
        assert world.api.asked.count("a") == 2
        assert ("batch.deleted", "a") not in world.logged


async def test_refused_account_is_asked_no_more(database):
    """After an answer that concerns the account nothing is asked until the next sweep."""
    async with hint_world(database, job("a"), job("b")) as world:
        world.api.jobs = dict.fromkeys("ab", Failure(Reason.RATE_LIMITED, "slow down", 60.0))
        world.api.polled = anyio.Event()
        for job_id in ("a", "b"):
            world.hints.add(job_id)
        await world.api.polled.wait()
        await anyio.wait_all_tasks_blocked()
        world.hints.add("c")
        await anyio.wait_all_tasks_blocked()
        assert world.api.asked == ["a"]
