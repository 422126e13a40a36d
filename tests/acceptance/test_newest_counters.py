"""The newest counters where the log does not have them: on the page, in the API, commands and metrics, and after a kill."""

import json
import re
import signal

import anyio
import httpx
from tracking import Installation, simulated

from tracker.core.queries.filters import EventFilter
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_reader


async def ahead_of_the_log(installation):
    """A running job of which more is completed than its last event says, once a reader of the database has one."""
    with anyio.fail_after(60):
        async with open_reader(installation.database) as reader:
            while True:
                for job in await reader.jobs(statuses=["RUNNING"]):
                    events = await reader.events(0, EventFilter(job=job["id"]), limit=-1)
                    if job["completed_requests"] > json.loads(events[-1][1])["data"]["completed_requests"]:
                        return job
                await reader.wait_for_change()


async def test_newest_counters_are_everywhere_but_in_the_log(tmp_path):
    """With an hour between two progress events the log waits, and everything that shows a job does not."""
    async with simulated(speed=2, jobs=8) as simulator:
        installation = Installation(tmp_path, simulator.url, progress_every="1h")
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url) as client:
            shown = await ahead_of_the_log(installation)
            id_, at_least = shown["id"], shown["completed_requests"]
            one = (await client.get(f"/api/jobs/{id_}")).json()
            metric = rf'batchtracker_job_completed_requests{{account="default",job="{id_}"[^}}]*}} (\d+)'
            (gauge,) = re.findall(metric, (await client.get("/metrics")).text)
            (bar,) = re.findall(r'aria-valuenow="(\d+)"', (await client.get(f"/jobs/{id_}")).text)[:1]
            listed = [json.loads(line) for line in (await installation.command("jobs", "--json")).stdout.splitlines()]
            assert one["completed_requests"] >= at_least
            assert int(gauge) >= at_least
            assert int(bar) >= 100 * at_least // one["total_requests"]
            assert next(job for job in listed if job["id"] == id_)["completed_requests"] >= at_least
            assert await daemon.stop(signal.SIGKILL)
        left = json.loads((await installation.command("job", id_, "--json")).stdout.splitlines()[0])
        assert left["completed_requests"] >= at_least
        assert verify(installation.database).differences == ()
