"""PostgreSQL that is killed, restarted, gone, full, or ends connections, under load: no replica ends, nothing is lost."""

import subprocess
from contextlib import contextmanager

import pytest
from breaking import full, small_file_system
from database_outages import Outages
from planting import SHORT_LEASES, plant
from postgres_server import running_server
from replicas import cluster

pytestmark = [pytest.mark.xdist_group("postgres"), pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def server():
    """A server that is killed: what it has committed is on the disk."""
    with running_server() as server:
        yield server


async def checked(outages):
    log = await outages.end()
    outages.each_had_one_replica()
    print(outages.figures(log))  # noqa: T201 - of a long run


@pytest.mark.slow
async def test_database_is_killed_and_connections_end(tmp_path, server):
    """A server that is killed and comes back, and connections that end, also within a transaction: the log is the truth."""
    async with cluster(tmp_path, server, replicas=2, accounts=2, seed=5) as made:
        outages = Outages(made, seed=5)
        await outages.outage(server.kill, server.start)
        await outages.disturbance(outages.terminate)
        await outages.disturbance(outages.terminate_idle_in_transaction)
        await checked(outages)


@pytest.mark.slow
@pytest.mark.parametrize("away", [("stop", "start"), ("pause", "resume")])
async def test_database_is_away_for_longer_than_leases_last(tmp_path, server, away):
    """No replica holds a lease, whether connections are refused or unanswered; all of them recover by themselves."""
    async with cluster(tmp_path, server, seed=6, accounts=6, started=False) as made:
        for replica in made.replicas.values():
            plant(replica, SHORT_LEASES)
        await made.start()
        outages = Outages(made, seed=6)
        begin, end = (getattr(server, step) for step in away)
        await outages.outage(begin, end, seconds=8.0)
        await checked(outages)


@pytest.mark.slow
async def test_disk_of_the_database_is_full(tmp_path, server):
    """While there is no room for a row nothing is recorded or sent, which is said, and all of it is made up for."""
    with small_file_system(server.folder / "small", "64m") as folder, tables_in(server, folder):
        async with cluster(tmp_path, server, seed=7, accounts=6) as made:
            outages = Outages(made, seed=7)
            filled = full(folder)
            await outages.outage(filled.__enter__, lambda: filled.__exit__(None, None, None))
            said = [line["error"] for replica in made.replicas.values() for line in replica.daemon.lines if "error" in line]
            assert any("the server's disk is full: " in error for error in said)
            await checked(outages)


@contextmanager
def tables_in(server, folder):
    """The tables of new databases are in `folder`, while the server's own log is where it was."""
    tables = folder / "tables"
    tables.mkdir()
    subprocess.run(["chown", "--reference", server.data, tables], check=True)
    server.fetch(f"CREATE TABLESPACE small LOCATION '{tables}'")
    server.tablespace = "small"
    try:
        yield
    finally:
        server.tablespace = "pg_default"
        server.fetch("DROP TABLESPACE small")


@pytest.mark.long
@pytest.mark.timeout(7200)
async def test_database_is_killed_twenty_times(tmp_path, server):
    """Three replicas, 30 accounts: twenty kills, twenty times all connections end, and five minutes without a server."""
    async with cluster(tmp_path, server, seed=8, speed=10.0, account={"poll_interval": "1s"}) as made:
        outages = Outages(made, seed=8)
        for _ in range(20):
            await outages.outage(server.kill, server.start)
            await outages.disturbance(outages.terminate)
            await outages.disturbance(outages.terminate_idle_in_transaction)
        await outages.outage(server.stop, server.start, seconds=300)
        await checked(outages)
        assert sorted(outages.back)[len(outages.back) * 9 // 10] < 5.0
