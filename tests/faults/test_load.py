"""Many accounts, jobs, receivers, events and connections: memory is bounded, health answers, and everything arrives."""

import os
import signal
import sqlite3
import time
from contextlib import AsyncExitStack, asynccontextmanager, closing

import anyio
import httpx
import pytest
from many_accounts import Crowd, installed
from proc import descriptors, memory, threads
from waiting import until

from tracker.server.embedded import open_server
from tracker.store.database_file_commands import verify

pytestmark = pytest.mark.slow

MEGABYTE = 1024 * 1024
MINUTES = float(os.environ.get("LOAD_MINUTES", "10"))
"""How long the long form of events lasts."""


FEW_FILES = ["sh", "-c", 'ulimit -Sn 100 && exec "$@"', "sh"]
"""What a user's shell allows, made smaller; the daemon allows itself what it may."""

LIFE = 570.0
"""Seconds after which what is waited for does not come any more, however slow the machine."""


class Health:
    """Asks /healthz again and again, and keeps how long each answer took (seconds)."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.took: list[float] = []

    async def ask(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=60) as client:
            while True:
                began = time.monotonic()
                assert (await client.get("/healthz")).status_code == 200
                self.took.append(time.monotonic() - began)
                await anyio.sleep(0.1)

    def __str__(self) -> str:
        took = sorted(self.took)
        return f"/healthz p50 {took[len(took) // 2] * 1000:.0f} ms, p99 {took[len(took) * 99 // 100] * 1000:.0f} ms"


@asynccontextmanager
async def idle(url: str, number: int):
    """`number` connections that say nothing, a half of them in the middle of a request."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    async with AsyncExitStack() as stack:
        for each in range(number):
            stream = await stack.enter_async_context(await anyio.connect_tcp(host, int(port)))
            if each % 2:
                await stream.send(b"GET /healthz HTTP/1.1\r\nhost: local")
        yield


def count(installation, what: str) -> int:
    with closing(sqlite3.connect(f"file:{installation.database}?mode=ro", uri=True)) as connection:
        return connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0]  # noqa: S608 - of constants


async def loaded(folder, crowd: Crowd, receivers: int, connections: int, ends: int, **account) -> str:
    """All jobs are found, `ends` of each account end, and each receiver gets each event: the time and memory that it took."""
    jobs = crowd.jobs * len(crowd.accounts)
    async with open_server(crowd, "127.0.0.1", 0) as address:
        installation = installed(folder, crowd, address.url, receivers, **account)
        installation.under = FEW_FILES
        began = time.monotonic()
        async with installation.running() as daemon, anyio.create_task_group() as group:
            health, process = Health(daemon.url), daemon.process.pid
            group.start_soon(health.ask)
            async with idle(daemon.url, connections):
                await until(lambda: count(installation, "jobs") == jobs, LIFE, every=0.1)
                found, crowd.over = time.monotonic() - began, ends
                await until(lambda: crowd.got.total() >= ends * receivers, LIFE, every=0.1)
                delivered = time.monotonic() - began - found
                assert len(health.took) > 3
                used = f"{memory(process, 'VmHWM') / MEGABYTE:.0f} MB at most, {descriptors(process)} descriptors"
                highest, number = memory(process, "VmHWM"), threads(process)
            group.cancel_scope.cancel()
            assert await daemon.stop(signal.SIGTERM) == 0
    assert {path: crowd.got[path] for path in crowd.got} == {f"/r{number}": ends for number in range(receivers)}
    assert verify(installation.database).differences == ()
    assert highest < (120 + jobs / 150 + receivers / 5) * MEGABYTE, used
    assert number < 60
    assert [line for line in daemon.lines if line["level"] in ("warning", "error")] == []
    return f"{jobs} jobs found in {found:.0f} s, {ends * receivers} deliveries in {delivered:.0f} s, {used}, {health}"


async def test_a_little_of_everything(tmp_path):
    """Ten accounts, a thousand jobs, a hundred receivers and fifty idle connections: each event arrives, and once."""
    await loaded(tmp_path, Crowd(10, 100), receivers=100, connections=50, ends=5)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_much_of_everything(tmp_path):
    """A hundred accounts, 100,000 jobs, a thousand receivers, two hundred idle connections."""
    print(await loaded(tmp_path, Crowd(100, 1000), 1000, 200, 10, poll_interval="15s"))  # noqa: T201 - the figures of a long run


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_a_thousand_events_a_second(tmp_path):
    """A thousand jobs move each second, for ten minutes: the log keeps up, and memory and the write-ahead log stay level."""
    crowd = Crowd(1, 1000)
    async with open_server(crowd, "127.0.0.1", 0) as address:
        installation = installed(tmp_path, crowd, address.url, 1, poll_interval="1s")
        async with installation.running() as daemon, anyio.create_task_group() as group:
            health, process = Health(daemon.url), daemon.process.pid
            group.start_soon(health.ask)
            await until(lambda: count(installation, "jobs") == crowd.jobs, LIFE, every=0.1)
            crowd.by_the_second = began = time.monotonic()
            samples = []
            for _ in range(10):
                await anyio.sleep(MINUTES * 6)
                wal = installation.database.with_name("tracker.db-wal").stat().st_size
                samples.append((memory(process, "VmRSS") / MEGABYTE, wal / MEGABYTE, count(installation, "events")))
            seconds = time.monotonic() - began
            group.cancel_scope.cancel()
            assert await daemon.stop(signal.SIGTERM) == 0
    events = samples[-1][2] - crowd.jobs
    size = installation.database.stat().st_size / MEGABYTE
    rounded = [tuple(map(round, each)) for each in samples]
    print(f"{events / seconds:.0f} events a second for {seconds:.0f} s, {size:.0f} MB, {health}; (RSS, WAL, events): {rounded}")  # noqa: T201
    assert samples[-1][0] < samples[0][0] * 1.5 + 20
    assert max(wal for _, wal, _ in samples) < 64
    assert verify(installation.database).differences == ()
