"""The main job from outside: the official client submits and cancels, the real command watches, the log is the truth."""

import random
import signal
from collections import deque

import anyio
import pytest
from log_truth import check_log, has_ends_of, jobs_of
from tracking import Installation, clock, simulated

from tracker.simulator.faults.fault_options import READ_FAULTS, TRANSIENT_FAULTS, Faults
from tracker.simulator.random_job_plans import ENDS

PATIENCE = 5.0
"""Seconds after which a client that has no answer asks again; a job that was created all the same would be one too many."""

DIFFERENT_WAYS = (*ENDS, "cancelled")


class Noted(Faults):
    """Spoils nothing, and notes the moments of the requests that read jobs."""

    def __init__(self):
        super().__init__()
        self.moments = []

    def draw(self, *, reading, **_):
        if reading:
            self.moments.append(clock())


async def test_log_is_right_to_the_field_and_the_second(tmp_path, storage):
    """Jobs that end in every way are logged as they truly were, each event as soon as jobs are read."""
    async with simulated() as simulator:
        simulator.faults = Noted()
        installation = Installation(tmp_path, simulator.url, **storage)
        async with installation.running() as daemon:
            submitted = await _submit(simulator, each=2)
            events = await installation.wait_for_events(has_ends_of(submitted))
            assert await daemon.stop(signal.SIGTERM) == 0
        check_log(installation, simulator.workspace.plans, submitted, events, requests=simulator.faults.moments)


class OneInSix(Faults):
    """Spoils every sixth request, in each way in turn."""

    def __init__(self):
        super().__init__(seed=3)
        self._requests = 0
        self._ways = deque(TRANSIENT_FAULTS)

    def draw(self, *, reading, **_):
        self._requests += 1
        if self._requests % 6 or (self._ways[0] in READ_FAULTS and not reading):
            return None
        self._ways.rotate(-1)
        return self._ways[-1]


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_one_request_in_six_failing_in_every_way_changes_nothing(tmp_path, storage):
    """The log is the same truth when answers are refused, cut, garbled, stale, shifted, or never come."""
    async with simulated(speed=30.0) as simulator:
        simulator.faults = OneInSix()
        installation = Installation(tmp_path, simulator.url, **storage, request_timeout="300ms", poll_interval="50ms")
        submitted = {}
        async with installation.running() as daemon:
            while set(simulator.faulted) < set(TRANSIENT_FAULTS):
                submitted |= await _submit(simulator, each=1)
                events = await installation.wait_for_events(has_ends_of(submitted), seconds=60)
            assert await daemon.stop(signal.SIGTERM) == 0
        check_log(installation, simulator.workspace.plans, submitted, events)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_ten_kills_lose_and_repeat_nothing(tmp_path, storage):
    """A daemon that is killed ten times at any moment logs what one that lived would have."""
    chance = random.Random(11)
    async with simulated(speed=25.0) as simulator:
        installation = Installation(tmp_path, simulator.url, **storage)
        submitted = await _submit(simulator, each=2, cancel=False)
        logged = 0
        for _ in range(10):
            async with installation.running() as daemon:
                wanted = logged + chance.randint(1, 6)
                with anyio.move_on_after(chance.uniform(0.05, 0.8)):
                    await installation.wait_for_events(lambda events, wanted=wanted: len(events) >= wanted)
                assert await daemon.stop(signal.SIGKILL) == -signal.SIGKILL
            logged = len(await installation.wait_for_events(lambda _: True))
        async with installation.running() as daemon:
            events = await installation.wait_for_events(has_ends_of(submitted))
            assert await daemon.stop(signal.SIGTERM) == 0
        check_log(installation, simulator.workspace.plans, submitted, events)


@pytest.mark.slow
async def test_a_day_away_is_made_up_for(tmp_path, storage):
    """Jobs that were created, and that ended, while no daemon ran are logged when it is back."""
    async with simulated() as simulator:
        installation = Installation(tmp_path, simulator.url, **storage)
        async with installation.running() as daemon:
            first = await _submit(simulator, each=1, cancel=False)
            await installation.wait_for_events(lambda events: len(jobs_of(events)) == len(first))
            assert await daemon.stop(signal.SIGKILL) == -signal.SIGKILL
        second = await _submit(simulator, each=1)
        plans = [simulator.workspace.plans[id_] for id_ in first | second]
        await anyio.sleep(max(plan.ended for plan in plans) - simulator.clock())  # the jobs end without anyone watching
        async with installation.running() as daemon:
            events = await installation.wait_for_events(has_ends_of(first | second), seconds=10)
            assert await daemon.stop(signal.SIGTERM) == 0
        check_log(installation, simulator.workspace.plans, first | second, events)


async def _submit(simulator, *, each, cancel=True):
    """Submit `each` jobs of every kind through the official client: how each was asked to end, by id."""
    from mistralai.client import Mistral  # noqa: PLC0415 - long to load, and each worker collects all tests

    asked = {}
    async with Mistral(api_key="test", server_url=simulator.url) as client:
        for number in range(each * len(DIFFERENT_WAYS)):
            end = DIFFERENT_WAYS[number % len(DIFFERENT_WAYS)]
            job = await persist(
                client.batch.jobs.create_async,
                endpoint="/v1/chat/completions",
                model="mistral-small-latest",
                requests=[{"custom_id": str(each), "body": {"max_tokens": 8}} for each in range(30)],
                metadata={"team": "research", "simulate": end if end in ENDS else "success"},
            )
            asked[job.id] = end
        for job_id, end in asked.items():
            if end == "cancelled" and cancel:
                await persist(client.batch.jobs.cancel_async, job_id=job_id)
    return asked


async def persist(call, *args, **arguments):
    """Call until it works, as a client has to whose requests are spoilt."""
    while True:
        try:
            with anyio.fail_after(PATIENCE):
                return await call(*args, **arguments)
        except Exception:  # noqa: BLE001, S112 - refusals, resets and time-outs come in many classes
            continue
