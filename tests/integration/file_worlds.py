"""A simulated API on a clock that stands still, with jobs of which a test decides how they ended, and clients of it."""

import json
from contextlib import asynccontextmanager
from functools import cached_property

import httpx
import msgspec
from mistralai.client import Mistral

from tracker.server.embedded import open_server
from tracker.simulator.faults.fault_options import Faults
from tracker.simulator.files.job_files import content_of
from tracker.simulator.job_timeline import JobPlan, job_at
from tracker.simulator.mistral_api import Simulator
from tracker.simulator.workspace import Workspace

BEGAN = 1_795_478_400.0
ENDED = JobPlan(
    id="12345678-0000-4000-8000-000000000001",
    created=BEGAN - 100,
    requests=40,
    failures=10,
    queued=1.0,
    validated=1.0,
    running=9.0,
)
FILES = "/v1/files"
TLS = httpx.create_ssl_context()  # once: it takes longer than a test


def plan(number=1, **changes):
    """A job that has ended in a partial success, unless `changes` say otherwise."""
    return msgspec.structs.replace(ENDED, id=f"12345678-0000-4000-8000-{number:012x}", **changes)


def content(plan, kind):
    """What is in a file of the job, as bytes."""
    found = content_of(plan, kind)
    return b"".join(found.chunks(0, found.size))


def lines(data):
    """The JSON of each line that is not blank."""
    return [json.loads(line) for line in data.split(b"\n") if line.strip()]


def files_of(plan, at=BEGAN):
    """The IDs of the job's output and error file."""
    job = job_at(plan, at)
    return job.output_file, job.error_file


class World:
    """The simulator at `url`, and `raw` requests of it; `at` is the time."""

    def __init__(self):
        self.simulator = Simulator(Workspace(), lambda: self.at)
        self.begin([])

    def begin(self, plans):
        """Begin again, with these jobs alone, and without faults."""
        self.at = BEGAN
        self.simulator.workspace = Workspace(plans)
        self.simulator.faults = Faults()
        self.simulator.faulted.clear()
        self.simulator.requests.clear()
        return self

    @asynccontextmanager
    async def running(self):
        async with (
            open_server(self.simulator.app, "127.0.0.1", 0) as address,
            httpx.AsyncClient(base_url=address.url, headers={"authorization": "Bearer any"}, verify=TLS) as self.raw,
        ):
            self.url = address.url
            yield self

    @cached_property
    def files(self):
        """The files API of the official client."""
        return self._client.files

    @cached_property
    def jobs(self):
        """The batch jobs of the official client."""
        return self._client.batch.jobs

    @cached_property
    def _client(self):
        return Mistral(api_key="any", server_url=self.url, async_client=self.raw)
