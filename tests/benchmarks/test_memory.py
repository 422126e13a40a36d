"""What an active job costs in memory: as the store remembers it, as the official client's model, and in the whole daemon."""

import gc
import re
import tracemalloc

import anyio
import httpx
import msgspec
import pytest
from canned import apart, page
from mistralai.client.models import ListBatchJobsResponse
from proc import memory
from tracking import Installation

from tracker.core.events.job_diff import Known
from tracker.core.jobs.interning import Interning
from tracker.core.jobs.job_reading import parse_page

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

JOBS = 2_000
MANY_JOBS = 100_000
SWEEPS = 3
MB = 1_000_000


def test_memory_of_active_jobs(count):
    """The same jobs, read from the same pages and kept by their ids (target: a fifth of the official client's)."""
    bodies = [page(JOBS, first) for first in range(0, JOBS, 100)]

    def ours():
        interning = Interning()
        return {job.id: Known(interning.lean(job)) for body in bodies for job in parse_page(body).jobs}

    def theirs():
        return {job.id: job for body in bodies for job in ListBatchJobsResponse.model_validate_json(body).data}

    def values():
        return {job["id"]: job for body in bodies for job in msgspec.json.decode(body)["data"]}

    counted = count("bytes of an active job in memory")
    sizes = {way: _size(make) for way, make in (("official client", theirs), ("dicts", values), ("ours", ours))}
    for way, size in sizes.items():
        counted.record(way, size)
    assert sizes["ours"] < 0.4 * sizes["official client"]


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_memory_of_the_daemon(count, tmp_path):
    """The whole daemon with a hundred thousand active jobs, after its first contact and after a restart (target: 200 MB)."""
    counted = count(f"MB of the daemon, {MANY_JOBS:,} jobs")
    async with apart(MANY_JOBS) as url:
        settings = {"poll_interval": "20s", "requests_per_second": 1000, "request_timeout": "30s", "backfill": "3650d"}
        installation = Installation(tmp_path, url, **settings)
        for begun in ("the first contact", "a restart"):
            async with installation.running() as daemon:
                await _swept(daemon.url, SWEEPS)
                counted.record(f"after {begun}", memory(daemon.process.pid, "VmRSS") / MB)
                counted.record(f"the most since {begun}", peak := memory(daemon.process.pid, "VmHWM") / MB)
    assert peak < 300


async def _swept(url, sweeps):
    """Wait until the daemon has made that many sweeps and its metrics show all jobs."""
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        while True:
            page = (await client.get("/metrics", timeout=60)).text
            found = re.search(r'^batchtracker_sweeps_total\{account="default",result="ok"\} (\S+)$', page, re.MULTILINE)
            if found and float(found[1]) >= sweeps:
                assert f'batchtracker_jobs{{account="default",status="RUNNING"}} {float(MANY_JOBS)}' in page
                return
            await anyio.sleep(2)


def _size(make):
    make()  # what is made once is made
    gc.collect()
    tracemalloc.start()
    kept = make()
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == JOBS
    return size / JOBS
