"""The figures of a PostgreSQL database for the metrics: from any thread, over one connection that comes and goes by itself."""

import gc

import anyio
import anyio.to_thread
import pytest
from engines import Postgres
from job_changes import seen_many
from waiting import until

from tracker.core.errors.storage_error import StorageError
from tracker.store.address import PostgresAddress
from tracker.store.opening import open_statistics

LONG = 30.0
"""Seconds; ends a hang."""

CONNECTIONS = "SELECT count(*) FROM pg_stat_activity WHERE datname = $1 AND application_name = 'batch-tracker figures'"


@pytest.fixture
async def address(postgres_address):
    async with Postgres(postgres_address).store() as store:
        await store.record("default", seen_many(3))
    return PostgresAddress(url=postgres_address.url, replica="figures")


async def test_figures_from_many_threads_while_the_loop_runs(address, postgres_server):
    """Threads that ask at once are answered in turn over one connection; the loop goes on meanwhile."""
    figures, found = open_statistics(address), []

    async def ask():
        found.append(await anyio.to_thread.run_sync(figures.last_seq))

    with anyio.fail_after(LONG):
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(ask)
    assert found == [3] * 8
    assert postgres_server.fetch(CONNECTIONS, address.url.rpartition("/")[2]) == [(1,)]


async def test_nothing_is_opened_before_it_is_needed_nor_left_behind(address, postgres_server):
    """A connection is made at the first question, and closed once the statistics are gone."""
    database = address.url.rpartition("/")[2]
    figures = open_statistics(address)
    assert postgres_server.fetch(CONNECTIONS, database) == [(0,)]
    assert figures.last_seq() == 3
    assert postgres_server.fetch(CONNECTIONS, database) == [(1,)]
    del figures
    gc.collect()
    await until(lambda: postgres_server.fetch(CONNECTIONS, database) == [(0,)], LONG)


async def test_lost_connection_costs_no_figure(address, postgres_server):
    """The statistics of a daemon outlive a restart of the server."""
    figures = open_statistics(address)
    assert figures.last_seq() == 3
    postgres_server.terminate_connections(address.url.rpartition("/")[2])
    assert figures.last_seq() == 3


def test_server_that_is_away_is_an_error_each_time():
    """No server: each question raises, and the next one tries again."""
    figures = open_statistics(PostgresAddress(url="postgresql://unknown@127.0.0.1:1/none", replica="figures"))
    for name in ("jobs", "backlogs", "circuits", "last_seq", "sizes", "engine"):
        with pytest.raises(StorageError, match="cannot be reached"):
            getattr(figures, name)()


async def test_size_ahead_is_that_of_the_write_ahead_log(address, postgres_server):
    """A role that may see it gets the size of the server's write-ahead log, and the version is that of the server."""
    figures = open_statistics(address)
    (wal,), (size,) = postgres_server.fetch(
        "SELECT sum(size) FROM pg_ls_waldir() UNION ALL SELECT pg_database_size($1)", address.url.rpartition("/")[2]
    )
    found, ahead = figures.sizes()
    assert 0 < found < size
    assert ahead == wal
    assert figures.engine()[0].startswith("PostgreSQL ")
