"""The server that tests of PostgreSQL start: what they rely on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import asyncpg
import pytest
from postgres_server import running_server

pytestmark = pytest.mark.xdist_group("postgres")

TESTS = Path(__file__).resolve().parents[1]
A_WORKER = """
import sys, time
from postgres_server import running_server
with running_server() as server:
    print(server.folder, server._process.pid, flush=True)
    time.sleep(600)
"""


async def test_a_database_is_empty_and_the_tests_own(postgres_url):
    """A test finds no table in its database, and may make some."""
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0
    await connection.execute("CREATE TABLE made (id int)")
    await connection.close()


async def test_a_template_is_prepared_once(postgres_server):
    """Databases made from a template hold what was prepared, and it is prepared only at first."""
    prepared = []

    async def prepare(url):
        prepared.append(url)
        connection = await asyncpg.connect(url)
        await connection.execute("CREATE TABLE made AS SELECT 7 AS number")
        await connection.close()

    for _ in range(2):
        name = postgres_server.create_database(postgres_server.template("prepared", prepare))
        assert postgres_server.fetch("SELECT number FROM made", database=name) == [(7,)]
        postgres_server.drop_database(name)
    assert len(prepared) == 1


@pytest.mark.slow
def test_what_is_committed_outlives_a_kill_and_a_stop():
    """A server that is killed or stopped comes back on its port with what was committed."""
    with running_server(fsync=True) as server:
        name = server.create_database()
        server.fetch("CREATE TABLE kept AS SELECT 1 AS number", database=name)
        for end in (server.kill, server.stop, lambda: server.stop(immediately=True)):
            end()
            assert not server.is_running
            server.start()
            assert server.fetch("SELECT number FROM kept", database=name) == [(1,)]


async def test_connections_end_where_they_are_terminated(postgres_server, postgres_url):
    """Terminating ends connections to the database that is named, and says how many."""
    connection = await asyncpg.connect(postgres_url)
    assert postgres_server.terminate_connections(postgres_url.rpartition("/")[2]) == 1
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, ConnectionError)):
        await connection.fetch("SELECT 1")
    connection.terminate()


@pytest.mark.slow
def test_the_server_ends_with_a_worker_that_is_killed():
    """Neither a process nor a file stays when the process that started the server is killed."""
    environment = os.environ | {"PYTHONPATH": str(TESTS)}
    with subprocess.Popen([sys.executable, "-c", A_WORKER], stdout=subprocess.PIPE, text=True, env=environment) as worker:
        folder, pid = worker.stdout.readline().split()
        worker.send_signal(signal.SIGKILL)
    while Path(folder).exists():  # the test's time-out ends it
        time.sleep(0.02)
    process = Path(f"/proc/{pid}/cmdline")
    assert not process.exists() or not process.read_bytes(), "its new parent may not have reaped it yet, but it has ended"
