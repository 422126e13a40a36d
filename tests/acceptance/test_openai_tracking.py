"""The main job at OpenAI: its official client submits and cancels, the real command watches, the log is the truth."""

import json
import random
import signal

import pytest
from log_truth import check_log, has_ends_of
from test_tracking import DIFFERENT_WAYS, Noted, OneInSix, persist
from tracking import Installation, simulated
from vendor_life import openai_life

from tracker.simulator.faults.fault_options import TRANSIENT_FAULTS
from tracker.simulator.random_job_plans import ENDS
from tracker.simulator.vendors.ids import BATCH, shown

pytestmark = pytest.mark.slow

REQUESTS = b"\n".join(
    json.dumps({"custom_id": str(number), "method": "POST", "url": "/v1/responses", "body": {"model": "gpt-6"}}).encode()
    for number in range(30)
)


async def test_log_of_openai_is_right_to_the_field_and_the_second(tmp_path, storage):
    """Batches that end in every way are logged as they truly were, each event as soon as batches are read."""
    async with simulated(provider="openai") as simulator:
        simulator.faults = Noted()
        installation = Installation(tmp_path, simulator.url, **storage, provider="openai")
        async with installation.running() as daemon:
            submitted = await submit(simulator, each=2)
            events = await installation.wait_for_events(has_ends_of(submitted))
            assert await daemon.stop(signal.SIGTERM) == 0
        check(installation, simulator, submitted, events, requests=simulator.faults.moments)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_faults_of_openai_and_a_kill_change_nothing(tmp_path, storage):
    """The log is the same truth when one request in six fails, in every way, and the daemon is killed amid it."""
    chance = random.Random(5)
    async with simulated(provider="openai", speed=30.0) as simulator:
        simulator.faults = OneInSix()
        installation = Installation(
            tmp_path, simulator.url, provider="openai", request_timeout="300ms", poll_interval="50ms", **storage
        )
        submitted = {}
        async with installation.running() as daemon:
            submitted |= await submit(simulator, each=1)
            await installation.wait_for_events(lambda events: len(events) >= chance.randint(5, 15))
            assert await daemon.stop(signal.SIGKILL) == -signal.SIGKILL
        async with installation.running() as daemon:
            while set(simulator.faulted) < set(TRANSIENT_FAULTS) or not submitted:
                submitted |= await submit(simulator, each=1)
                events = await installation.wait_for_events(has_ends_of(submitted), seconds=60)
            events = await installation.wait_for_events(has_ends_of(submitted), seconds=60)
            assert await daemon.stop(signal.SIGTERM) == 0
        check(installation, simulator, submitted, events)


async def submit(simulator, *, each):
    """Submit `each` batches of every kind through the official client: how each was asked to end, by ID."""
    from openai import AsyncOpenAI  # noqa: PLC0415 - long to load, and each worker collects all tests

    asked = {}
    async with AsyncOpenAI(api_key="test", base_url=simulator.url, max_retries=0) as client:
        uploaded = await persist(client.files.create, file=("requests.jsonl", REQUESTS), purpose="batch")
        for number in range(each * len(DIFFERENT_WAYS)):
            end = DIFFERENT_WAYS[number % len(DIFFERENT_WAYS)]
            batch = await persist(
                client.batches.create,
                input_file_id=uploaded.id,
                endpoint="/v1/responses",
                completion_window="24h",
                metadata={"team": "research", "simulate": end if end in ENDS else "success"},
            )
            asked[batch.id] = end
        for batch_id, end in asked.items():
            if end == "cancelled":
                await persist(client.batches.cancel, batch_id)
    return asked


def check(installation, simulator, submitted, events, requests=None):
    plans = {shown(BATCH, plan.id): plan for plan in simulator.workspace.plans.values()}
    check_log(installation, plans, submitted, events, life=openai_life(), requests=requests)
