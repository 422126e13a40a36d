"""How cost grows with the number of active jobs: the real command beside canned jobs, from its first contact on."""

import re
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace

import anyio
import httpx
import pytest
from canned import PAGE, apart
from growth import Panel, drawing
from postgres_server import running_server
from proc import cpu, memory
from tracking import Installation

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

PLOT = Path(__file__).parent / "growth.svg"
MB = 1_000_000
SQLITE, POSTGRES = "SQLite", "PostgreSQL"
UNLIMITED = {"backfill": "3650d", "stalled_after": "3650d", "timeout_hours": 8784}
"""As long as may be, for canned jobs grow old."""

MILLION = 1_000_000
SIZES = (100, 1_000, 10_000, 100_000, MILLION)


async def _measured(folder, jobs, postgres=None):
    """What the daemon spends on this number of jobs: on the first contact, and on a sweep that finds nothing.

    The log is in a file, or in a database of the server `postgres`.
    """
    folder.mkdir()
    sweeps, pause = (3, max(1, jobs / 5_000)) if jobs < MILLION else (0, 100)
    async with apart(jobs) as url:
        settings = {"poll_interval": f"{pause}s", "requests_per_second": 1000, "request_timeout": "30s"} | UNLIMITED
        database = postgres.url(postgres.create_database()) if postgres else None
        # far more often than sweeps are, so that one has ended when its end is seen
        async with _watched(Installation(folder, url, postgres_url=database, **settings), pause / 8) as (pid, swept_after):
            await swept_after(0)
            first_contact, peak = cpu(pid), memory(pid, "VmHWM")
            before, spent = await swept_after(1), cpu(pid)
            await anyio.sleep(sweeps * pause)
            after = await swept_after((await swept_after(1)).sweeps)
            done = after.sweeps - before.sweeps
            return SimpleNamespace(
                first_contact=first_contact,
                peak=peak,
                cpu=(cpu(pid) - spent) / done,
                requests=(after.requests - before.requests) / done,
                memory=memory(pid, "VmRSS"),
            )


@asynccontextmanager
async def _watched(installation, pause):
    """The daemon's process, and a function that waits for more than a number of sweeps and returns the metrics after them."""
    async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url, trust_env=False) as client:

        async def swept_after(sweeps):
            while True:
                page = (await client.get("/metrics", timeout=60)).text
                found = SimpleNamespace(
                    sweeps=_sum(page, 'batchtracker_sweeps_total{account="default",result="ok"}'),
                    requests=_sum(page, "batchtracker_api_requests_total{"),
                )
                if found.sweeps > sweeps:
                    return found
                await anyio.sleep(pause)

        yield daemon.process.pid, swept_after


def _sum(page, start):
    return sum(float(value) for value in re.findall(rf"^{re.escape(start)}.* (\S+)$", page, re.MULTILINE))


async def test_cost_grows_with_the_jobs(count, tmp_path):
    """Ten times as many jobs are ten times as many requests, and hardly more than ten times the CPU."""
    few, many = [await _measured(tmp_path / str(jobs), jobs) for jobs in SIZES[:2]]
    for name in ("cpu", "requests", "memory"):
        noted = count(f"{name} of a sweep that finds nothing")
        noted.record("100 active jobs", getattr(few, name))
        noted.record("1,000 active jobs", getattr(many, name))
    assert many.requests - 1 == pytest.approx(10 * (few.requests - 1), rel=0.3)  # one looks behind a last page that is full
    assert many.cpu < 20 * few.cpu
    assert many.memory < 2 * few.memory


@pytest.mark.long
@pytest.mark.timeout(3600)
async def test_growth_is_drawn(count, tmp_path):
    """From 100 to 1,000,000 jobs, as the plot beside this file shows: requests are pages, and CPU grows as the jobs do."""
    with running_server(settings={"shared_buffers": "128MB", "max_wal_size": "1GB"}) as server:
        found = {name: await _grown(count, tmp_path / name, name, server) for name in (SQLITE, POSTGRES)}
    PLOT.write_text(drawing(_panels(found)))
    for of_engine in found.values():
        assert all(cost.requests <= jobs / PAGE + 2 for jobs, cost in of_engine.items())
        assert of_engine[MILLION].cpu < 20 * of_engine[100_000].cpu < 400 * of_engine[10_000].cpu


async def _grown(count, folder, name, server):
    """What each number of jobs costs with this engine."""
    folder.mkdir()
    found = {jobs: await _measured(folder / str(jobs), jobs, server if name == POSTGRES else None) for jobs in SIZES}
    for figure in vars(found[100]):
        noted = count(f"cost of active jobs, {name}: {figure}")
        for jobs, cost in found.items():
            noted.record(f"{jobs:,} jobs", getattr(cost, figure))
    return found


def _panels(found):
    def lines(figure, unit=1):
        return {
            name: {jobs: getattr(cost, figure) / unit for jobs, cost in of_engine.items()} for name, of_engine in found.items()
        }

    return [
        Panel("CPU of a quiet sweep, s", lines("cpu")),
        Panel("CPU of the first contact, s", lines("first_contact")),
        Panel("Requests of a quiet sweep", {"": lines("requests")[SQLITE]}),
        Panel("Memory after it, MB", lines("memory", MB)),
        Panel("Memory at the first contact, MB", lines("peak", MB)),
    ]
