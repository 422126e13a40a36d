"""The store of a command changes what `run` has made, and makes nothing itself; its clock is the server's."""

import anyio.to_thread
import pytest

from tracker.core.errors.storage_error import StorageError
from tracker.core.events.job_diff import first_seen
from tracker.core.jobs.job_reading import read_job
from tracker.store.address import PostgresAddress
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_reader, open_store, open_store_as_owner


async def test_command_makes_no_schema(postgres_server, postgres_url):
    """Where `run` has never been, a command says so and the database stays empty."""
    address = PostgresAddress(url=postgres_url, replica="a")
    with pytest.raises(StorageError, match="there is no schema batch_tracker of batch-tracker; has `batch-tracker run`"):
        async with open_store_as_owner(address):
            pass
    found = postgres_server.fetch(
        "SELECT 1 FROM pg_namespace WHERE nspname = $1", "batch_tracker", database=_name(postgres_url)
    )
    assert found == []


async def test_command_goes_by_the_servers_clock(postgres_server, postgres_url, monkeypatch):
    """Due times that a command sets are right on each machine, however wrong the clock of its own is."""
    address = PostgresAddress(url=postgres_url, replica="a")
    async with open_store(address):
        pass
    for module in ("server_clock", "writing.store"):
        monkeypatch.setattr(f"tracker.store.postgres.{module}.now", lambda: 0)
    async with open_store_as_owner(address) as store:
        ((before,),) = postgres_server.fetch("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        assert before - 60_000 < store.now() < before + 60_000


async def test_command_joins_no_replicas(postgres_url):
    """What a command writes is read beside it, and no replica is listed for it."""
    address = PostgresAddress(url=postgres_url, replica="a")
    async with open_store(address):
        pass
    async with open_store_as_owner(address) as store, open_reader(address) as reader:
        await store.record("default", [first_seen("default", read_job({"id": "j", "status": "QUEUED", "created_at": 1}), 1)])
        assert await reader.last_seq() == 2, "after the event of the replica that made the schema"
        assert [*await reader.replicas()] == []


async def test_log_with_events_of_replicas_is_sound(postgres_url):
    """`verify` takes the events of replicas for what they are: about no job."""
    address = PostgresAddress(url=postgres_url, replica="a")
    async with open_store(address):
        pass
    verified = await anyio.to_thread.run_sync(verify, address)
    assert (verified.events, verified.differences) == (1, ())


def _name(url):
    return url.rpartition("/")[2]
