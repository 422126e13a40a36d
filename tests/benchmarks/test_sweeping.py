"""A sweep over 1,000 and 10,000 active jobs: ours with its log, the raw way, and the official client."""

import json
import sys
from pathlib import Path

import anyio
import httpx
import pytest
from mistralai.client import Mistral as OfficialClient

from tracker.http import http_client, tls_context
from tracker.mistral import Mistral
from tracker.pace import Pace
from tracker.poller import Poller
from tracker.store.writer import open_store

pytestmark = pytest.mark.no_cover  # counting lines would be what is measured

NOW = 1_795_500_000_000
DAYS = 86_400.0


@pytest.mark.parametrize(("jobs", "runs", "latency"), [(1_000, 3, 0.0), (1_000, 3, 0.02), (10_000, 3, 0.0)])
async def test_sweeping(compare, tmp_path, jobs, runs, latency):
    """Each way sees every job, and ours logs each once."""
    command = [sys.executable, str(Path(__file__).parent / "canned.py"), str(jobs), str(latency)]
    comparison = compare(f"sweep {jobs:,} jobs, {latency * 1000:g} ms a request")
    async with await anyio.open_process(command, stderr=None) as server:
        try:
            url = (await server.stdout.receive()).decode().strip()
            async with http_client(tls_context()) as http, open_store(tmp_path / "tracker.db") as store:
                api = Mistral(http, url, "key", pace=Pace(1000.0), deadline=30.0, now=lambda: NOW)
                poller = Poller("default", api, store, backfill=7 * DAYS, now=lambda: NOW)
                logged = await poller.poll_once()
                for _ in range(runs):
                    with comparison.time("raw: httpx in turn, json.loads"):
                        raw = await _list_raw(url, jobs)
                    with comparison.time("a quiet sweep"):
                        quiet = await poller.poll_once()
                    with comparison.time("the official client's list in turn"):
                        official = await _list_officially(url, jobs)
        finally:
            server.kill()
    assert len(logged.events) == 2 * jobs  # created and started
    assert (quiet.events, quiet.shown, quiet.failure) == ((), jobs, None)
    assert raw == official == jobs


async def _list_raw(url, jobs):
    ids = set()
    async with httpx.AsyncClient(base_url=url) as client:
        for page in range(jobs // 100):
            answer = await client.get("/v1/batch/jobs", params={"page": page, "page_size": 100})
            ids.update(job["id"] for job in json.loads(answer.content)["data"])
    return len(ids)


async def _list_officially(url, jobs):
    ids = set()
    async with OfficialClient(api_key="key", server_url=url) as client:
        for page in range(jobs // 100):
            ids.update(job.id for job in (await client.batch.jobs.list_async(page=page, page_size=100)).data)
    return len(ids)
