"""Owns compressed time: an account watched for days within seconds, over real HTTP and SQLite, and the truth of its jobs."""

import itertools
import json
from collections import Counter
from contextlib import asynccontextmanager

from vendor_clients import mistral

from tracker.core.events.event import parse_iso
from tracker.core.events.time_limits import TimeLimits
from tracker.core.health.readiness import Health
from tracker.core.jobs.status import is_terminal
from tracker.core.queries.filters import EventFilter
from tracker.http.client import http_client, tls_context
from tracker.metrics import Metrics
from tracker.polling.maintenance import Maintenance
from tracker.polling.poll_loop import PollLoop
from tracker.polling.poller import Poller
from tracker.providers.retrying import RetryingProvider, RetryPolicy
from tracker.server.embedded import open_server
from tracker.simulator.faults.fault_options import Faults
from tracker.simulator.job_timeline import exists, job_at
from tracker.simulator.mistral_api import Simulator
from tracker.simulator.random_job_plans import Population
from tracker.simulator.workspace import Workspace
from tracker.store.opening import open_reader, open_store

BEGAN = 1_795_478_400
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
REQUEST = 0.2
"""Seconds that each request takes on the clock, whatever it takes."""

STALE_BY = 2 * HOUR
"""A stale answer is as old as this at most: older than the sweep before it, or it would contradict nothing."""

LATE = HOUR
"""What of a SUCCESS comes late does so after some sweeps."""

SPEED = 1 / 72
"""Of the population: a job takes four hours on average."""


class Days:
    """A workspace of a seed, its poll loop and its maintenance; time passes by what they wait for.

    `good` are the moments at which a sweep began that came to a good end. `misled` are the beginnings and ends of sweeps
    with an old answer of which the one before had one as well: what the API says twice is believed, as is promised. How often
    it was is what `check` finds as `believed`.
    """

    def __init__(self, path, *, jobs=12, every=30 * MINUTE, seed=7, faults=()) -> None:
        """`faults` are of jobs and of creation times; those of requests are for `go_on`."""
        self.path = path
        self.at = float(BEGAN)
        self.every = every
        self.jobs = jobs
        self.workspace = Workspace(arrivals=Population(seed, SPEED, faults).arrivals(jobs, BEGAN))
        self.simulator = Simulator(self.workspace, self._clock, population=Population(seed + 1, SPEED, faults))
        self.good: list[float] = []
        self.misled: list[tuple[float, float]] = []
        self.believed = 0
        self.sweeps = 0
        self._paused_until = 0.0
        self._was_stale = False

    # What the loops wait for

    async def acquire(self) -> None:
        """In place of `RateLimiter`: what the API asked for is waited for on this clock."""
        self.at = max(self.at, self._paused_until)

    def pause(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, self.at + seconds)

    def _clock(self) -> float:
        self.at += REQUEST
        return self.at

    def _now(self) -> int:
        return round(self.at * 1000)

    # The days

    @asynccontextmanager
    async def running(self, url=None):
        """While this lasts, the API is at `url` or where the simulator is; a second time it is a daemon that was restarted."""
        async with (
            open_server(self.simulator.app, "127.0.0.1", 0) as address,
            http_client(tls_context()) as http,
            open_store(self.path) as store,
        ):
            provider = mistral(http, url or address.url, "key", rate_limiter=self, deadline=0.25, now=self._now)
            poller = Poller(
                "default",
                RetryingProvider(provider, lambda: 0.5, RetryPolicy(first=0.0, longest=0.0)),
                store,
                backfill=7 * DAY,
                now=self._now,
            )
            health = Health(["default"])
            self.poll_loop = PollLoop(poller, self.every, health, Metrics(), lambda: 0.5)
            self.maintenance = Maintenance(
                store, health, {"default": TimeLimits(stalled_after=1000 * DAY)}, self._now, 30 * DAY
            )
            yield self

    async def go_on(self, seconds, faults=()) -> None:
        """For so long, while requests are spoilt so."""
        self.simulator.faults = Faults(faults, seed=self.sweeps + 5)
        until = self.at + seconds
        while self.at < until:
            began, stale = self.at, self.simulator.faulted["stale"]
            delay = await self.poll_loop.sweep_once()
            self._record_sweep(began, is_stale=self.simulator.faulted["stale"] > stale)
            await self.maintenance.check_once()
            self.at = max(self.at, began + delay)

    def _record_sweep(self, began: float, *, is_stale: bool) -> None:
        is_good = not self.poll_loop._failures
        self.sweeps += 1
        self.good += [began] * is_good
        self.misled += [(began, self.at)] * (is_stale and self._was_stale)
        self._was_stale = is_stale or (self._was_stale and not is_good)  # a sweep that failed takes nothing back

    async def log(self):
        async with open_reader(self.path) as reader:
            return [json.loads(body) for _, body in await reader.events(0, EventFilter(), limit=1_000_000)]

    # The truth

    def check(self, events) -> Counter[str]:
        """Hold the log to what was: nothing invented, nothing missed that was there for a while, all true in the end."""
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert "batch.deleted" not in {event["type"] for event in events}, "no job was deleted"
        histories: dict[str, list[dict]] = {}
        for event in events:
            if event["type"].startswith("batch.") and event["type"] != "batch.deadline":
                histories.setdefault(event["data"]["id"], []).append(event)
        there = {
            plan.id for plan in self.workspace.plans.values() if exists(plan, self.at - self.every) and plan.created > BEGAN
        }
        readable = {id_ for id_ in there if "list" not in self.workspace.plans[id_].poisoned}
        assert histories.keys() >= readable, "never logged"
        for id_, history in histories.items():
            self._check_history(self.workspace.plans[id_], history)
        return Counter(event["type"] for event in events)

    def _check_history(self, plan, history) -> None:
        place = 0.0
        for event in history:
            observed = parse_iso(event["observed_at"]) / 1000
            moments = list(moments_as(plan, event["data"], observed))
            assert moments, f"invented: {event}"
            found = next((at for at in moments if at > place - 0.01), moments[-1])
            oldest = observed - STALE_BY - self.every * 5
            if found < place - 0.01:
                assert any(began <= observed <= ended for began, ended in self.misled), f"out of order: {event}"
                self.believed += 1
                found = moments[-1]
            assert _was_since(plan, event["data"], found, oldest), f"older than any answer: {event}"
            place = found
        last = history[-1]["data"]
        if not plan.poisoned:
            since = self.good[-4 if _goes_back(plan) else -1]
            shown = [at for at in moments_as(plan, last, self.at) if _was_since(plan, last, at, since)]
            assert shown, "the log ends with what it is"
            assert is_as_at(plan, last, self.at) or not is_terminal(last["status"])
        statuses = {event["data"]["status"] for event in history}
        ends = [*(step.at for step in plan.steps[1:]), self.at]
        for step, end in zip(plan.steps, ends, strict=True):
            seen = [at for at in self.good if max(step.at, BEGAN) + STALE_BY < at < end - HOUR / 6]
            assert step.status in statuses or len(seen) < 4, f"{step.status} of {plan.id} was there and is not in the log"


def moments_as(plan, data, until):
    """The first moment of each time up to `until` in which the job was just that."""
    edges = {plan.created, plan.created + plan.validated, plan.begun, plan.ended, plan.ended + plan.settling}
    edges |= {step.at for step in plan.steps}
    edges |= {plan.created + after for after in (plan.total_falls_after, plan.model_lost_after) if after is not None}
    ordered = [*sorted(edge for edge in edges if plan.created <= edge <= until), until + 0.001]
    for low, high in itertools.pairwise(ordered):
        at = _first(plan, data["completed_requests"], low, high)
        found = next((each for each in (low, at, at + 1e-3) if each < high and is_as_at(plan, data, each)), None)
        if found is not None:
            yield found


def _first(plan, completed, low, high):
    """The first moment from `low` on, and before `high`, at which this number of requests was completed."""
    if job_at(plan, low).completed_requests >= completed:
        return low
    for _ in range(40):
        middle = (low + high) / 2
        if job_at(plan, middle).completed_requests >= completed:
            high = middle
        else:
            low = middle
    return high


def _goes_back(plan):
    """Whether the job does what is believed only once other sweeps have confirmed it."""
    return plan.total_falls_after is not None or plan.withdrawn_after is not None


def _was_since(plan, data, found, since):
    """Whether the job, which became just that at `found`, was it at `since` or later."""
    return found >= since or is_as_at(plan, data, since) or is_terminal(data["status"])


def is_as_at(plan, data, at) -> bool:
    """Whether the job was just that at the moment; what was misreported is a value that it once had, and a model is kept."""
    there = job_at(plan, at).to_data()
    if there["model"] is None and data["model"] == plan.model:
        there["model"] = plan.model  # one answer without it says little, and the end is final
    return all(data[name] == value or (name in plan.misreported and data[name] <= value) for name, value in there.items())
