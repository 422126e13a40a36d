"""When a daemon is ready, on both engines: a start ends once, and no account that comes later undoes it."""

from contextlib import asynccontextmanager

import anyio
import pytest
from daemon_replicas import configuration, daemon_replica
from loopback import answer, loopback
from msgspec.structs import replace
from waiting import until

from tracker.config import Config, Storage
from tracker.daemon import watchdog

pytestmark = pytest.mark.xdist_group("daemons on PostgreSQL")

NO_JOBS = answer(b'{"object": "list", "data": [], "total": 0}')


@pytest.fixture(autouse=True)
def often(monkeypatch):
    """Let daemons look at each other's reports more often than people need."""
    monkeypatch.setattr(watchdog, "PROBE_EVERY", 0.2)


class Gate:
    """An API that answers no request while it is shut."""

    def __init__(self):
        self.opened = anyio.Event()

    async def answers(self, stream) -> bool:
        await self.opened.wait()
        await stream.send(NO_JOBS)
        return True


@asynccontextmanager
async def gated():
    """An API behind a gate that is shut, and that gate."""
    gate = Gate()
    async with loopback(gate.answers) as api:
        yield api, gate


@pytest.fixture(params=["sqlite", "postgres"])
def storage(request, tmp_path) -> Storage:
    if request.param == "sqlite":
        return Storage(tmp_path / "tracker.db")
    url = request.getfixturevalue("postgres_url")
    return configuration(url, tmp_path, accounts=(), api="", receivers={}).storage


def polling(storage: Storage, folder, api, *names: str) -> Config:
    """Of a daemon that polls these accounts there."""
    return replace(configuration("", folder, accounts=names, api=api.url, receivers={}), storage=storage)


async def becomes_ready(daemon):
    async def is_ready():
        return await daemon.readiness() == (200, [])

    await until(is_ready)


async def test_daemon_is_ready_from_its_first_sweep_on_whatever_comes_later(storage, tmp_path):
    """From its start until the first sweep ended it is not ready, with a lease and before; a new account changes nothing."""
    async with (
        gated() as (api, gate),
        gated() as (later, _),
        daemon_replica(polling(storage, tmp_path, api, "one"), "a") as daemon,
    ):
        found = {(await daemon.readiness())[0]}
        while not api.requests:
            found.add((await daemon.readiness())[0])
        assert (await daemon.readiness(), found) == ((503, ["account one: not swept yet"]), {503})
        gate.opened.set()
        await becomes_ready(daemon)
        both = polling(storage, tmp_path, api, "one").accounts + polling(storage, tmp_path, later, "two").accounts
        daemon.supervisor.apply(replace(daemon.supervisor.config, accounts=both))
        await later.wait_for(1)
        assert await daemon.readiness() == (200, [])
        _, shown = await daemon.get("/readyz")
        assert shown["accounts"]["two"] == {"last_good_sweep": None, "failure": None}


async def test_start_awaits_no_account_that_a_reload_removes(storage, tmp_path):
    """An account that hangs keeps a start from its end until the configuration has it no more."""
    async with gated() as (api, _), daemon_replica(polling(storage, tmp_path, api, "one"), "a") as daemon:
        assert (await daemon.readiness())[0] == 503
        daemon.supervisor.apply(replace(daemon.supervisor.config, accounts=()))
        assert await daemon.readiness() == (200, [])


async def test_replica_that_joins_and_takes_over_stays_ready(postgres_url, tmp_path):
    """Beside a replica that polls all accounts a new one is ready, and stays so when it has accounts that it has not swept."""
    storage = configuration(postgres_url, tmp_path, accounts=(), api="", receivers={}).storage
    async with gated() as (api, gate), gated() as (of_b, _):
        gate.opened.set()
        names = ("one", "two")
        async with daemon_replica(polling(storage, tmp_path, api, *names), "a") as a:
            await becomes_ready(a)
            async with daemon_replica(polling(storage, tmp_path, of_b, *names), "b") as b:
                await becomes_ready(b)
                await of_b.wait_for(1)
                assert await b.readiness() == (200, [])
                assert len(b.held("account")) == 1
