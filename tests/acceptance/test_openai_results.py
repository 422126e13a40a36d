"""The real command archives the results of OpenAI's batches: whole, whatever happens to a download, with their usage."""

import hashlib
import signal

import pytest
from archives import Archiving
from simulated_jobs import begin, end
from tracking import simulated

from tracker.simulator.files.job_files import content_of
from tracker.simulator.vendors.ids import BATCH, shown

ENDS = ("success", "partial", "all_failed", "expired", "cancelled")


def cut_first_downloads(simulator):
    """Cut the first downloads, each in another way: with its length announced or not, or as if it were whole."""
    draw, ways = simulator._draw, ["download-cut", "download-short", "download-cut-chunked"]
    simulator._draw = lambda call, at: ways.pop() if call == "files.content" and ways else draw(call, at)


def ended(simulator, how):
    """A batch that has ended in this way a moment ago."""
    length = 200.0 if how in ("expired", "cancelled") else 100.0
    endpoint = "/v1/responses" if how == "partial" else "/v1/chat/completions"
    (id_,) = begin(simulator, requests=200, running=length, model="gpt-6", endpoint=endpoint)
    end(simulator, id_, how)
    return id_


@pytest.mark.slow
async def test_results_of_openai_are_archived_whole(tmp_path):
    """A download that was cut is noticed and repeated; the files are OpenAI's to the byte; usage has the cached tokens."""
    async with simulated(provider="openai") as simulator:
        installation = Archiving(tmp_path, simulator.url, provider="openai", request_timeout="60s")
        cut_first_downloads(simulator)
        plans = {shown(BATCH, id_): simulator.workspace.plans[id_] for id_ in [ended(simulator, how) for how in ENDS]}
        async with installation.running() as daemon:
            await installation.wait_for_results(plans)
            assert await daemon.stop(signal.SIGTERM) == 0
        installation.check(is_over=True)
        recorded = installation.recorded()
        kinds = [{file["kind"] for file in recorded[id_]["files"]} for id_ in plans]
        assert kinds[:3] == [{"output"}, {"output", "error"}, {"error"}]
        assert all(recorded[id_]["missing"] == [] for id_ in plans)
        for id_, plan in plans.items():
            for file in recorded[id_]["files"]:
                whole = content_of(simulator.workspace.plans[plan.id], file["kind"])
                assert file["sha256"] == hashlib.sha256(b"".join(whole.chunks(0, whole.size))).hexdigest()
        assert [recorded[id_]["digest"]["mismatch"] for id_ in plans] == [None] * len(plans)
        expired = recorded[list(plans)[ENDS.index("expired")]]["digest"]["groups"]
        assert [each["count"] for each in expired if each["code"] == "batch_expired"] == [100]
        usage = recorded[next(iter(plans))]["usage"]["by_model"]
        assert usage["gpt-6"]["requests"] == 200
        assert 0 < usage["gpt-6"]["cached_tokens"] < usage["gpt-6"]["prompt_tokens"]
