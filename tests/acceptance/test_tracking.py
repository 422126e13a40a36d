"""The main job from outside: the official client submits and cancels, the real command watches, the log is the truth."""

import random
import signal
from collections import deque
from datetime import datetime

import anyio
import pytest
from mistralai.client import Mistral
from tracking import Installation, life, simulated

from tracker.simulator.faults import ANY, LIES, Faults
from tracker.simulator.population import ENDS
from tracker.store.file_commands import verify

EVENT_AT = {"batch.created": "created_at", "batch.started": "started_at"} | dict.fromkeys(
    ("batch.completed", "batch.failed", "batch.expired", "batch.cancelled"), "completed_at"
)
STATUS_OF = {
    "batch.started": "RUNNING",
    "batch.cancelling": "CANCELLATION_REQUESTED",
    "batch.completed": "SUCCESS",
    "batch.failed": "FAILED",
    "batch.expired": "TIMEOUT_EXCEEDED",
    "batch.cancelled": "CANCELLED",
}
OUTCOMES = {"success": "success", "partial": "partial", "all_failed": "all_failed"}
DIFFERENT_WAYS = (*ENDS, "cancelled")


async def test_log_is_right_to_the_field_and_the_second(tmp_path):
    """Jobs that end in every way are logged as they truly were, each event at its moment."""
    async with simulated() as simulator:
        installation = Installation(tmp_path, simulator.url)
        async with installation.running() as daemon:
            submitted = await _submit(simulator, each=2)
            events = await installation.wait_for_events(_has_ends_of(submitted))
            assert await daemon.stop(signal.SIGTERM) == 0
        _check(installation, simulator, submitted, events, patience=2.0)


class OneInSix(Faults):
    """Spoils every sixth request, in each way in turn."""

    def __init__(self):
        super().__init__(seed=3)
        self._requests = 0
        self._ways = deque(ANY)

    def draw(self, *, reading, **_):
        self._requests += 1
        if self._requests % 6 or (self._ways[0] in LIES and not reading):
            return None
        self._ways.rotate(-1)
        return self._ways[-1]


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_one_request_in_six_failing_in_every_way_changes_nothing(tmp_path):
    """The log is the same truth when answers are refused, cut, garbled, stale, shifted, or never come."""
    async with simulated(speed=30.0) as simulator:
        simulator.faults = OneInSix()
        installation = Installation(tmp_path, simulator.url, request_timeout="300ms", poll_interval="50ms")
        submitted = {}
        async with installation.running() as daemon:
            while set(simulator.faulted) < set(ANY):
                submitted |= await _submit(simulator, each=1)
                events = await installation.wait_for_events(_has_ends_of(submitted), seconds=60)
            assert await daemon.stop(signal.SIGTERM) == 0
        _check(installation, simulator, submitted, events, patience=None)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_ten_kills_lose_and_repeat_nothing(tmp_path):
    """A daemon that is killed ten times at any moment logs what one that lived would have."""
    chance = random.Random(11)
    async with simulated(speed=25.0) as simulator:
        installation = Installation(tmp_path, simulator.url)
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
            events = await installation.wait_for_events(_has_ends_of(submitted))
            assert await daemon.stop(signal.SIGTERM) == 0
        _check(installation, simulator, submitted, events, patience=None)


@pytest.mark.slow
async def test_a_day_away_is_made_up_for(tmp_path):
    """Jobs that were created, and that ended, while no daemon ran are logged when it is back."""
    async with simulated() as simulator:
        installation = Installation(tmp_path, simulator.url)
        async with installation.running() as daemon:
            first = await _submit(simulator, each=1, cancel=False)
            await installation.wait_for_events(lambda events: len({event["data"]["id"] for event in events}) == len(first))
            assert await daemon.stop(signal.SIGKILL) == -signal.SIGKILL
        second = await _submit(simulator, each=1)
        plans = [simulator.workspace.plans[id_] for id_ in first | second]
        await anyio.sleep(max(plan.ended for plan in plans) - simulator.clock())  # the jobs end without anyone watching
        async with installation.running() as daemon:
            events = await installation.wait_for_events(_has_ends_of(first | second), seconds=10)
            assert await daemon.stop(signal.SIGTERM) == 0
        _check(installation, simulator, first | second, events, patience=None)


async def _submit(simulator, *, each, cancel=True):
    """Submit `each` jobs of every kind through the official client: how each was asked to end, by id."""
    asked = {}
    async with Mistral(api_key="test", server_url=simulator.url) as client:
        for number in range(each * len(DIFFERENT_WAYS)):
            end = DIFFERENT_WAYS[number % len(DIFFERENT_WAYS)]
            job = await _persist(
                client.batch.jobs.create_async,
                endpoint="/v1/chat/completions",
                model="mistral-small-latest",
                requests=[{"custom_id": str(each), "body": {"max_tokens": 8}} for each in range(30)],
                metadata={"team": "research", "simulate": end if end in ENDS else "success"},
            )
            asked[job.id] = end
        for job_id, end in asked.items():
            if end == "cancelled" and cancel:
                await _persist(client.batch.jobs.cancel_async, job_id=job_id)
    return asked


async def _persist(call, **arguments):
    """Call until it works, as a client has to whose requests are spoilt."""
    while True:
        try:
            with anyio.fail_after(1):
                return await call(**arguments)
        except Exception:  # noqa: BLE001, S112 - refusals, resets and time-outs come in many classes
            continue


def _has_ends_of(submitted):
    def enough(events):
        return submitted.keys() <= {event["data"]["id"] for event in events if event["data"]["completed_at"] is not None}

    return enough


def _check(installation, simulator, submitted, events, patience):
    """Hold the log against the truth; an event is seen at most `patience` seconds after its state has passed."""
    assert verify(installation.database).differences == ()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert len({event["id"] for event in events}) == len(events)
    assert {event["data"]["id"] for event in events} == submitted.keys()
    for job_id, end in submitted.items():
        plan = simulator.workspace.plans[job_id]
        history = [event for event in events if event["data"]["id"] == job_id]
        _check_states(plan, history, patience)
        _check_types(plan, history)
        if history[-1]["type"] == "batch.completed":
            assert history[-1]["outcome"] == OUTCOMES.get(end, "success")


def _check_states(plan, history, patience):
    states = life(plan)
    place = 0
    for event in history:
        found = [at for at in range(place, len(states)) if states[at][1] == event["data"]]
        assert found, f"invented, or out of order: {event}"
        place = found[0]
        observed = datetime.fromisoformat(event["observed_at"]).timestamp()
        assert states[place][0] <= observed + 0.01, "no change is seen before it happens"
        if patience is not None and place + 1 < len(states):
            assert observed <= states[place + 1][0] + patience
        moment = EVENT_AT.get(event["type"])
        if moment:
            assert event["created_at"] == event["data"][moment]
        assert datetime.fromisoformat(event["timestamp"]).timestamp() == event["created_at"]
    assert place == len(states) - 1, "the log ends with what the job is in the end"


def _check_types(plan, history):
    types = [event["type"] for event in history]
    assert types[0] == "batch.created"
    logged = [type_ for type_ in types if type_ in STATUS_OF]
    truth = [step.status for step in plan.steps[1:]]
    assert [STATUS_OF[type_] for type_ in logged] == [status for status in truth if status in map(STATUS_OF.get, logged)]
    assert STATUS_OF[logged[-1]] == truth[-1]
    status = None
    for event in history[1:]:
        if "status" in event["changes"]:
            was, is_ = event["changes"]["status"]
            assert was in (status, history[0]["data"]["status"], None)
            status = is_
    assert set(types) - set(STATUS_OF) <= {"batch.created", "batch.progress", "batch.updated"}
