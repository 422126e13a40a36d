"""Random worlds for a poller: what happens to the jobs of an API, between and during sweeps, and what must be logged of it."""

import json
from itertools import pairwise

import anyio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moving_api import LIES, STALE, MovingApi, fallen, new_job, stepped
from storage_engines import active_jobs_read_again, open_any_store

from tracker.core.jobs.job import COUNTERS
from tracker.core.jobs.job_reading import parse_job
from tracker.core.jobs.size_limits import bounded
from tracker.core.jobs.status import FOLLOWERS, TERMINAL, is_terminal
from tracker.core.queries.filters import EventFilter
from tracker.core.reconciliation.reconcile import EMPTY_MEMORY
from tracker.polling.poller import Poller
from tracker.providers.retrying import RetryingProvider, RetryPolicy
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_reader

BEGIN = 1_750_000_000
DAY = 86_400

moves = st.lists(
    st.tuples(
        st.sampled_from(("create", "create", "step", "step", "step", "end", "delete", "fall", "withdraw")), st.integers(0, 30)
    ),
    max_size=6,
)
spoilt = st.lists(st.sampled_from((0, 0, STALE, STALE, *range(LIES))), max_size=12)
sweep = st.tuples(
    st.just("sweep"),
    moves,  # before it
    moves,  # while it reads, one before each answer
    spoilt,
)
steps = st.lists(
    st.one_of(
        sweep,
        sweep,
        sweep,
        st.tuples(st.just("hint"), moves, spoilt, st.integers(0, 30)),
        st.tuples(st.just("wait"), st.sampled_from((1, 5, 61, 700, DAY))),
        st.tuples(st.just("killed"), st.integers(0, 6)),
        st.tuples(st.just("restart")),
    ),
    min_size=6,
    max_size=20,
)


def worlds(number):
    """The test is run in `number` worlds, the same ones each time."""
    return lambda test: settings(deadline=None, max_examples=number, suppress_health_check=list(HealthCheck), derandomize=True)(
        given(steps=steps, overlap=st.sampled_from((2, 80)))(test)
    )


def live_through(steps, overlap, monkeypatch, database, api=MovingApi, **options):
    """Live through the steps; `api` makes the API from its clock (Unix seconds), `options` are the poller's."""
    monkeypatch.setattr("tracker.polling.poller.FREE_OVERLAP", overlap)
    anyio.run(Trial(database, api, options).run, steps, backend="asyncio")


class Killed(BaseException):
    """The process ends here."""


class Trial:
    def __init__(self, path, api, options):
        self.path = path
        self.options = options
        self.api = api(BEGIN)
        self.created = 0

    async def run(self, steps):
        remaining = list(steps)
        while remaining:
            async with open_any_store(self.path) as store:
                self.poller = self._poller(store)
                while remaining:
                    step, *arguments = remaining.pop(0)
                    if step == "restart":
                        break
                    await getattr(self, step)(*arguments)
        await self._calm_down()
        await self._check()

    def _poller(self, store):
        provider = RetryingProvider(self.api, lambda: 0.5, RetryPolicy(attempts=2, first=0.0))
        return Poller("default", provider, store, backfill=7 * DAY, now=lambda: self.api.clock * 1000, **self.options)

    async def wait(self, seconds):
        self.api.clock += seconds

    async def sweep(self, before, between, spoil):
        for move in before:
            self._move(*move)
        pending = iter(between)
        self.api.spoil = iter(spoil)
        self.api.between = lambda: [self._move(*move) for move in [next(pending, None)] if move]
        await self.poller.poll_once()
        self.api.spoil, self.api.between = iter(()), lambda: None
        await self._memory_is_true()

    async def hint(self, before, spoil, which):
        """A webhook names some job, and one that was never there, true or not; nothing is polled before the first sweep."""
        for move in before:
            self._move(*move)
        if self.poller._memory is not EMPTY_MEMORY:
            self.api.spoil = iter(spoil)
            await self.poller.get_hinted([f"job-{which % (self.created + 1)}", "invented"])
            self.api.spoil = iter(())
            await self._memory_is_true()

    async def killed(self, after):
        """The sweep ends at a request as if the process had; what is committed stays."""
        countdown = iter(range(after, -1, -1))

        def between():
            if next(countdown, 0) == 0:
                raise Killed

        self.api.between = between
        try:
            await self.poller.poll_once()
        except (Killed, BaseExceptionGroup):
            self.poller = self._poller(self.poller.store)
        self.api.between = lambda: None
        await self._memory_is_true()

    async def _memory_is_true(self):
        """The store remembers of the active jobs what a new one would read."""
        store = self.poller.store
        assert await store.active_jobs("default") == await active_jobs_read_again(store, "default")

    def _move(self, kind, which):
        self.api.clock += 1
        if kind == "create":
            self.created += 1
            self.api.put(new_job(f"job-{self.created}", self.api.clock))
            return
        active = sorted(id_ for id_, job in self.api.jobs.items() if not is_terminal(job.status))
        if not active:
            return
        job = self.api.jobs[active[which % len(active)]]
        if kind == "delete":
            self.api.delete(job.id)
        elif kind == "fall":
            self.api.put(fallen(job))
        elif kind == "withdraw":
            if job.status == "CANCELLATION_REQUESTED":
                self.api.put(stepped(job, "RUNNING", self.api.clock))
        elif kind == "end":
            self.api.put(stepped(job, TERMINAL[which % 4], self.api.clock))
        elif job.status == "CANCELLATION_REQUESTED" or which % 7 == 6:
            self.api.put(stepped(job, "CANCELLATION_REQUESTED", self.api.clock))
        else:
            self.api.put(stepped(job, "RUNNING", self.api.clock))

    async def _calm_down(self):
        async with open_any_store(self.path) as store:
            poller = self._poller(store)
            for seconds in (1, 61, 61, 61, DAY, DAY, 2 * DAY):  # until nothing is doubted, and no deleted job is looked for
                self.api.clock += seconds
                report = await poller.poll_once()
            assert report.failure is None
            before = self.api.requests
            report = await poller.poll_once()
            assert not report.events, "a quiet sweep logs nothing"
            assert self.api.requests - before <= 2 * (1 + len(self.api.jobs) // self.api.page_limit)

    async def _check(self):
        assert verify(self.path).differences == ()
        async with open_reader(self.path) as reader:
            events = [json.loads(body) for _, body in await reader.events(0, EventFilter(), limit=10_000)]
            known = {job["id"]: job for job in await reader.jobs()}
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert len({event["id"] for event in events}) == len(events)
        for job_id in known:
            self._check_history(job_id, [event for event in events if event["data"]["id"] == job_id])
        for job_id, job in ((job_id, bounded(job)) for job_id, job in self.api.jobs.items()):
            assert job_id in known, f"{job_id} was never logged"
            has, is_ = self._listed(known[job_id], job), self._listed(job.to_data(), job)
            lacks = {"model", "metadata"} if has["model"] is None else set()  # so was the one answer that showed its end
            lacks |= {"model"} if job.model is None else set()  # one answer without it says little, and the end is final
            assert {name: has[name] for name in has.keys() - lacks} == {name: is_[name] for name in is_.keys() - lacks}

    def _listed(self, data, job):
        """The properties that `job` has; of a vendor's own object what no other property shows."""
        listed = {name: data[name] for name in job.to_data()}
        if "native" in listed:
            shown = self.api.capabilities.mapped
            listed["native"] = {name: value for name, value in listed["native"].items() if name not in shown}
        return listed

    def _check_history(self, job_id, events):
        """Each event is a state that the job was truly in, later than the one before, and no status event is repeated."""
        assert [event["type"] for event in events].count("batch.created") == 1
        assert events[0]["type"] == "batch.created"
        been = [_state(job) for job in self.api.history[job_id]]
        place = 0
        has_fallen = any(after[3] < before[3] for before, after in pairwise(been))  # what is stale looks newer then
        for event in events:
            state = _state(parse_job(json.dumps(event["data"]).encode()))
            assert state in been[place:], "invented, or out of order"
            place = 0 if has_fallen else been.index(state, place)
        reached = [event["changes"]["status"] for event in events if "status" in event["changes"]]
        for was, is_ in reached:
            assert was is None or is_ in FOLLOWERS[was] or (was, is_) == ("CANCELLATION_REQUESTED", "RUNNING")
        assert sum(is_terminal(is_) for _, is_ in reached) <= 1
        assert sum("errors" in event["changes"] for event in events) <= 1, "in another order they are the same"
        shown = {f"native.{name}" for name in self.api.capabilities.mapped}
        assert not any(shown & event["changes"].keys() for event in events), "other properties show these"
        deletions = [event for event in events if event["type"] == "batch.deleted"]
        assert len(deletions) == (job_id in self.api.deleted and not is_terminal(events[-1]["data"]["status"]))


def _state(job):
    return (job.status, job.started_at, job.completed_at, *(getattr(job, name) for name in COUNTERS))
