"""What is peculiar about some batches of Anthropic and Gemini, seen by the real command: none of it is invented or lost."""

import signal

import msgspec
import pytest
from tracking import Installation, simulated

from tracker.simulator.vendors.anthropic.batch_objects import BATCH
from tracker.simulator.vendors.gemini.operations import BATCH as BATCHES
from tracker.simulator.vendors.ids import shown

INPUT = ("0b5ff1a1-8f3c-4c1a-a0a3-3a1b0e6c7f10",)
ANTHROPIC = {
    "unknown-status": "SUCCESS",
    "mixed-end": "CANCELLED",
    "late-output": "SUCCESS",
    "foreign-results": "SUCCESS",
    "archived": "SUCCESS",
    "null-counts": "ended",  # how it ended is unknown, so it has not
}
GEMINI = {
    "unknown-status": "SUCCESS",
    "bare-operation": "SUCCESS",
    "late-output": "SUCCESS",
    "stuck-pending": "TIMEOUT_EXCEEDED",
    "null-counts": "SUCCESS",
}
VENDORS = {"anthropic": (BATCH, ANTHROPIC, {}), "gemini": (BATCHES, GEMINI, {"input_files": INPUT})}


@pytest.mark.slow
@pytest.mark.parametrize("provider", VENDORS)
async def test_traps_of_each_vendor(tmp_path, provider):
    """Every batch comes to the end that it has, once; only an undocumented status is unrecognized, and no file is lost."""
    prefix, ends, submitted = VENDORS[provider]
    async with simulated(provider=provider) as simulator:
        installation = Installation(tmp_path, simulator.url, provider=provider)
        async with installation.running() as daemon:
            traps = {shown(prefix, plan.id): fault for fault, plan in _added(simulator, ends, submitted)}
            events = await installation.wait_for_events(lambda events: _statuses(events, traps) == ends)
            assert await daemon.stop(signal.SIGTERM) == 0
    types = {fault: [event["type"] for event in events if traps[event["data"]["id"]] == fault] for fault in ends}
    assert {fault for fault in ends if "batch.unrecognized" in types[fault]} == {
        fault for fault in ends if fault in ("unknown-status", "bare-operation") or ends[fault] == "ended"
    }
    last = {traps[event["data"]["id"]]: event["data"] for event in events}
    assert all(last[fault]["output_file"] for fault, status in ends.items() if status == "SUCCESS")
    assert all(len(found) == len({*found}) for found in types.values() if "batch.progress" not in found)


def _added(simulator, faults, submitted):
    """A batch with each of the faults, created now."""
    for fault in faults:
        plan = simulator.population.plan(simulator.clock(), fault, requests=30, **submitted)
        if fault == "stuck-pending":
            plan = msgspec.structs.replace(plan, timeout=3.0, queued=3.0)
        simulator.workspace.add(plan)
        yield fault, plan


def _statuses(events, traps):
    """The last status of each trap."""
    return {traps[event["data"]["id"]]: event["data"]["status"] for event in events}
