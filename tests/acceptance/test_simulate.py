"""`batch-tracker simulate` as a process: the files of a job that a client submits, with the faults that are ordered."""

import re
import signal
from contextlib import asynccontextmanager

import anyio
import httpx
import pytest
from tracking import COMMAND

pytestmark = pytest.mark.slow

FILES = "/v1/files"
REQUESTS = b"".join(b'{"custom_id": "request %d", "body": {}}\n' % number for number in range(25))


@asynccontextmanager
async def simulating(*options):
    """A client of the running command, which ends with status 0 at SIGTERM."""
    command = [*COMMAND, "simulate", "--listen", "127.0.0.1:0", "--jobs", "0", "--speed", "2000", *options]
    async with await anyio.open_process(command, stderr=None) as process:
        try:
            with anyio.fail_after(30):
                said = ""
                while not (url := re.search(r"on (http://127\.0\.0\.1:\d+)\n", said)):
                    said += (await process.stdout.receive()).decode()
            async with httpx.AsyncClient(base_url=url[1], headers={"authorization": "Bearer any"}, timeout=30) as client:
                yield client
            process.send_signal(signal.SIGTERM)
            with anyio.fail_after(30):
                assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()


async def ended_job(client, simulate):
    """A job with an uploaded file, as it is once it has ended."""
    form = {"files": {"file": ("requests.jsonl", REQUESTS)}, "data": {"purpose": "batch"}}
    uploaded = (await client.post(FILES, **form)).json()
    submitted = {
        "input_files": [uploaded["id"]],
        "endpoint": "/v1/chat/completions",
        "model": "m",
        "metadata": {"simulate": simulate},
    }
    job = (await client.post("/v1/batch/jobs", json=submitted)).json()
    with anyio.fail_after(30):
        while job["status"] in ("QUEUED", "RUNNING"):
            job = (await client.get(f"/v1/batch/jobs/{job['id']}")).json()
    return job


async def test_simulate_serves_results_of_the_length_that_is_ordered():
    """The output file of a submitted job has an answer of at least the ordered length for each request of its upload."""
    async with simulating("--answer-length", "3000") as client:
        job = await ended_job(client, "success")
        lines = (await client.get(f"{FILES}/{job['output_file']}/content")).text.split("\n")
    assert len([line for line in lines if line]) == 25
    assert min(len(line) for line in lines if line) > 3000
    assert all(f'"request {number}"' in "".join(lines) for number in range(25))


async def test_simulate_orders_faults_of_files_and_downloads():
    """A download that is ordered to be cut is, and so is a job's file that its metadata orders to be gone."""
    async with simulating("--fault", "download-cut:1") as client:
        job = await ended_job(client, "partial")
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(f"{FILES}/{job['error_file']}/content")
        gone = await ended_job(client, "success,file-gone")
        assert (await client.get(f"{FILES}/{gone['output_file']}/content")).status_code == 404
