"""Gateways that are compatible with OpenAI, as the real command watches them: what they lack is unknown, never wrong."""

import signal

import pytest
from matrix import matrix
from test_openai_tracking import submit
from tracking import Installation, simulated

from tracker.simulator.faults.fault_options import Faults, parse
from tracker.simulator.vendors.ids import BATCH, parsed

QUIRKS = ("null-counts", "null-times", "empty-files")


def histories(events):
    found = {}
    for event in events:
        found.setdefault(event["data"]["id"], []).append(event)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("lists", matrix(["no-paging", "no-has-more", "bare-list"]))
async def test_batches_of_a_gateway_are_followed_to_their_ends(tmp_path, lists):
    """Whatever lists, counters, times and files lack, each batch ends once and as it did, and the account is well."""
    async with simulated(provider="openai", speed=100.0) as simulator:
        simulator.faults = Faults(parse(f"{lists}:1"))
        draw = simulator.population.plan
        quirks = iter(QUIRKS * 10)
        simulator.population.plan = lambda at, end, **given: draw(at, f"{end},{next(quirks)}", **given)
        installation = Installation(tmp_path, simulator.url, provider="openai", request_timeout="60s")
        async with installation.running() as daemon:
            submitted = await submit(simulator, each=3)
            events = await installation.wait_for_events(lambda events: ends(events).keys() >= submitted.keys())
            assert await daemon.stop(signal.SIGTERM) == 0
    assert not [line for line in daemon.lines if line["event"].startswith(("sweep", "account"))], "nothing is amiss"
    for id_, history in histories(events).items():
        plan = simulator.workspace.plans[parsed(BATCH, id_)]
        last = history[-1]
        assert len([event for event in history if event["type"] in ENDS]) == 1
        assert last["data"]["status"] == plan.steps[-1].status
        assert "" not in (last["data"]["output_file"], last["data"]["error_file"])
        if last["type"] == "batch.completed":
            assert last["outcome"] == {"all_failed": "all_failed", "partial": "partial"}.get(submitted[id_], "success")
        if "null-counts" in plan.quirks:
            assert "batch.progress" not in [event["type"] for event in history]
            assert last["data"]["total_requests"] == 0


ENDS = ("batch.completed", "batch.failed", "batch.expired", "batch.cancelled")


def ends(events):
    return {event["data"]["id"]: event for event in events if event["type"] in ENDS}
