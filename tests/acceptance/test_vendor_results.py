"""The real command archives the results of Anthropic's and Gemini's batches: whole, whatever happens to a download."""

import hashlib
import signal

import pytest
from archives import Archiving
from simulated_jobs import begin, end
from tracking import simulated

from tracker.simulator.vendors.anthropic import result_lines as anthropic_lines
from tracker.simulator.vendors.anthropic.batch_objects import BATCH as BATCH_PREFIX
from tracker.simulator.vendors.gemini import result_lines as gemini_lines
from tracker.simulator.vendors.gemini.operations import BATCH as BATCHES
from tracker.simulator.vendors.ids import shown

INPUT = "0b5ff1a1-8f3c-4c1a-a0a3-3a1b0e6c7f10"
VENDORS = {
    "anthropic": ("results", BATCH_PREFIX, anthropic_lines.result_lines, {"model": "claude-sonnet-6"}),
    "gemini": ("files.content", BATCHES, gemini_lines.result_lines, {"model": "gemini-4-flash", "input_files": (INPUT,)}),
}


@pytest.mark.slow
@pytest.mark.parametrize("provider", VENDORS)
async def test_results_of_each_vendor_are_archived_whole(tmp_path, provider):
    """A download that was cut is noticed and repeated; the files are the vendor's to the byte, and so is their usage."""
    call, prefix, lines, plan = VENDORS[provider]
    async with simulated(provider=provider) as simulator:
        draw, ways = simulator._draw, ["download-cut", "download-cut-chunked"]
        simulator._draw = lambda called, at: ways.pop() if called == call and ways else draw(called, at)
        installation = Archiving(tmp_path, simulator.url, provider=provider, request_timeout="60s")
        ids = begin(simulator, 4, requests=200, running=100.0, **plan)
        for id_, how in zip(ids, ("success", "partial", "all_failed", "cancelled"), strict=True):
            end(simulator, id_, how)
        plans = {shown(prefix, id_): simulator.workspace.plans[id_] for id_ in ids}
        async with installation.running() as daemon:
            await installation.wait_for_results(plans)
            assert await daemon.stop(signal.SIGTERM) == 0
        installation.check(is_over=True)
        recorded = installation.recorded()
        for name, job in plans.items():
            (file,) = recorded[name]["files"]
            whole = b"".join(lines(job))
            assert (file["kind"], file["sha256"]) == ("output", hashlib.sha256(whole).hexdigest())
            assert recorded[name]["missing"] == []
            assert recorded[name]["digest"]["mismatch"] is None
        usage = recorded[next(iter(plans))]["usage"]["by_model"][plan["model"]]
        assert usage["requests"] == 200
        assert 0 < usage["cached_tokens"] < usage["prompt_tokens"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("provider", "fault", "reason"),
    [("anthropic", "archived", "gone"), ("anthropic", "deleted", "gone"), ("gemini", "file-gone", "forbidden")],
)
async def test_results_that_are_gone_are_said_to_be(tmp_path, provider, fault, reason):
    """What the vendor has no more is not asked for again and again: archived, deleted with its batch, or no longer readable."""
    call, prefix, _, plan = VENDORS[provider]
    async with simulated(provider=provider) as simulator:
        job = simulator.population.plan(simulator.clock() - 20, "success" if fault == "deleted" else fault, **plan)
        simulator.workspace.add(job)
        installation = Archiving(tmp_path, simulator.url, provider=provider)
        if fault == "deleted":  # right after its end was seen
            simulator._draw = _deleting(simulator, job)
        async with installation.running() as daemon:
            await installation.wait_for_results([shown(prefix, job.id)])
            assert await daemon.stop(signal.SIGTERM) == 0
        (missing,) = installation.recorded()[shown(prefix, job.id)]["missing"]
        assert missing["reason"] == reason
        assert simulator.requests[call] <= 10


def _deleting(simulator, job):
    """Draws faults as before, and deletes the job once a list has shown it."""
    draw = simulator._draw

    def draw_and_delete(call, at):
        if call == "get":
            simulator.workspace.delete(job.id, at)
        return draw(call, at)

    return draw_and_delete
