"""The real command beside a simulated API, and the truth to hold its log against."""

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from tracker.core.queries.filters import EventFilter
from tracker.runtime.clock import now
from tracker.server.embedded import open_server
from tracker.simulator.faults.fault_options import Faults, parse
from tracker.simulator.job_timeline import exists, job_at
from tracker.simulator.random_job_plans import Population
from tracker.simulator.simulated_api import SimulatedApi
from tracker.simulator.simulated_vendors import SIMULATED_VENDORS
from tracker.simulator.workspace import Workspace
from tracker.store.address import DatabaseAddress, PostgresAddress
from tracker.store.opening import open_reader

COMMAND = [sys.executable, "-m", "tracker"]
PATIENCE = 60
"""Seconds; ends a hang."""
SAMPLE = 0.001
"""Seconds between two looks at what a simulated job is."""


def clock():
    return now() / 1000


@asynccontextmanager
async def simulated(
    *, speed=60.0, jobs=0, seed=1, faults="any:0", api_keys=(), provider="mistral"
) -> AsyncIterator[SimulatedApi]:
    """A simulated API of the vendor; `url` is where it is."""
    vendor = SIMULATED_VENDORS[provider]
    population = Population(seed, speed, catalog=vendor.catalog)
    simulator = vendor(
        Workspace(arrivals=population.arrivals(jobs, clock())),
        clock,
        population=Population(seed + 1, speed, catalog=vendor.catalog),
        api_keys=api_keys,
        faults=Faults(parse(faults), seed),
    )
    async with open_server(simulator.app, "127.0.0.1", 0) as address:
        simulator.url = address.url + simulator.base_path
        yield simulator


class Installation:
    """A configuration and a database in a folder, and the commands that are run with them."""

    def __init__(self, folder: Path, api: str, *, postgres_url: str | None = None, **account: str | float) -> None:
        """`postgres_url`: the database is there, not in the folder."""
        self.database: DatabaseAddress = folder / "tracker.db"
        self.config = folder / "tracker.toml"
        settings = {"base_url": api, "poll_interval": "200ms", "requests_per_second": 50, "request_timeout": "1s"}
        settings |= {"progress_every": "0s"} | account
        self.environment = {"MISTRAL_API_KEY": "canary-key-3141", "SSL_CERT_FILE": os.environ["SSL_CERT_FILE"]}
        self.under: list[str] = []  # what starts the daemon, such as strace
        storage = f'path = "{self.database}"'
        if postgres_url is not None:
            self.database = PostgresAddress(url=postgres_url, replica="one")
            self.environment["DATABASE_URL"] = postgres_url
            storage = 'url = { env = "DATABASE_URL" }\nreplica = "one"'
        self.config.write_text(
            f'[storage]\n{storage}\n[http]\nlisten = "127.0.0.1:0"\n'
            '[[accounts]]\nname = "default"\napi_key = { env = "MISTRAL_API_KEY" }\n'
            + "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
        )

    async def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        with anyio.fail_after(30):
            done = await anyio.run_process(
                [*COMMAND, "--config", str(self.config), *arguments], check=False, env=self.environment
            )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    @asynccontextmanager
    async def running(self, *options: str) -> AsyncIterator["Daemon"]:
        """The daemon, once it says that it is ready; killed if it is still there in the end."""
        command = [*self.under, *COMMAND, "--config", str(self.config), "run", *options]
        process = await anyio.open_process(command, stdin=subprocess.DEVNULL, stdout=None, env=self.environment)
        daemon = Daemon(process)
        async with anyio.create_task_group() as group:
            group.start_soon(daemon.read_log)
            try:
                await daemon.says("process.started")
                yield daemon
            finally:
                if process.returncode is None:
                    process.kill()
                with anyio.CancelScope(shield=True):
                    await process.wait()
                    await daemon.ended.wait()
                    await process.aclose()

    async def wait_for_events(self, enough: Callable[[list[dict]], bool], seconds: float = 60) -> list[dict]:
        """All events of the log, once there are enough of them."""
        events: list[dict] = []
        with anyio.fail_after(seconds):
            async with open_reader(self.database) as reader:
                while True:
                    after = events[-1]["seq"] if events else 0
                    events += [json.loads(body) for _, body in await reader.events(after, EventFilter(), limit=100_000)]
                    if enough(events):
                        return events
                    await reader.wait_for_change()


class Daemon:
    """A running daemon: its process and what it has said."""

    def __init__(self, process: anyio.abc.Process) -> None:
        self.process = process
        self.lines: list[dict] = []
        self.ended = anyio.Event()
        self._said = anyio.Event()

    @property
    def url(self) -> str:
        return next(line["url"] for line in self.lines if line["event"] == "process.started")

    async def read_log(self) -> None:
        left = b""
        try:
            async for chunk in self.process.stderr:
                *whole, left = (left + chunk).split(b"\n")
                self.lines += [json.loads(line) for line in whole]
                self._said.set()
                self._said = anyio.Event()
        finally:  # also where it says what is no line of a log
            self.ended.set()
            self._said.set()

    async def says(self, event: str, *, after: int = 0, **values: str) -> dict:
        """The first line of its log that has `event` and these values, of those `after` that many lines."""
        return await self.says_that(lambda line: line.items() >= {"event": event, **values}.items(), repr(event), after)

    async def says_that(self, is_meant: Callable[[dict], bool], what: str = "what was waited for", after: int = 0) -> dict:
        """The first line of its log that `is_meant`."""
        with anyio.fail_after(PATIENCE):
            while True:
                for line in self.lines[after:]:
                    if is_meant(line):
                        return line
                assert not self.ended.is_set(), f"it ended without saying {what}: {self.lines[-3:]}"
                await self._said.wait()

    async def stop(self, number: int) -> int:
        """Send the signal and wait for its end: the exit status."""
        self.process.send_signal(number)
        with anyio.fail_after(PATIENCE):
            status = await self.process.wait()
            await self.ended.wait()
        return status


def life(plan) -> list[tuple[float, dict]]:
    """All that the job ever was: each state, and the moment from which on it was that."""
    states: list[tuple[float, dict]] = []
    steps = round((plan.ended - plan.created) / SAMPLE) + 2
    for at in [plan.created + step * SAMPLE for step in range(steps)] + [plan.ended]:
        if not exists(plan, at):
            break
        data = job_at(plan, at).to_data()
        if not states or data != states[-1][1]:
            states.append((at, data))
    return states
