"""The proxy that tests put before PostgreSQL: what each of its faults does to a client."""

import asyncio
from contextlib import asynccontextmanager

import anyio
import asyncpg
import pytest
from tcp_proxy import TcpProxy
from waiting import until

pytestmark = pytest.mark.xdist_group("postgres")

LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


@asynccontextmanager
async def proxied(server, url):
    """A connection through a proxy, and the proxy."""
    async with TcpProxy(("127.0.0.1", server.port)).serving() as proxy:
        connection = await asyncpg.connect(url.replace(f":{server.port}/", f":{proxy.port}/"))
        try:
            yield connection, proxy
        finally:
            connection.terminate()


async def test_it_passes_everything_on_and_may_be_slow(postgres_server, postgres_url):
    """What passes is unchanged, and late by as much as is asked for."""
    async with proxied(postgres_server, postgres_url) as (connection, proxy):
        assert await connection.fetchval("SELECT repeat('x', 1000000)") == "x" * 1_000_000
        proxy.delay, began = 0.05, anyio.current_time()
        assert await connection.fetchval("SELECT 1") == 1
        assert anyio.current_time() - began >= 0.1


async def test_in_silence_nothing_is_answered_and_nothing_closed(postgres_server, postgres_url):
    """A silent network shows in nothing but the time; later its connections are gone, and new ones work."""
    async with proxied(postgres_server, postgres_url) as (connection, proxy):
        proxy.go_silent()
        asked = asyncio.create_task(connection.fetchval("SELECT 1"))
        assert await asyncio.wait({asked}, timeout=0.1) == (set(), {asked})
        assert not connection.is_closed()
        proxy.pass_on()
        with pytest.raises(LOST):
            await asked
        another = await asyncpg.connect(f"postgresql://postgres@127.0.0.1:{proxy.port}/{postgres_url.rpartition('/')[2]}")
        assert await another.fetchval("SELECT 2") == 2
        await another.close()


async def test_connections_are_reset_until_it_passes_on(postgres_server, postgres_url):
    """Connections that there are and new ones are reset."""
    async with proxied(postgres_server, postgres_url) as (connection, proxy):
        proxy.reset()
        with pytest.raises(LOST):
            await connection.fetchval("SELECT 1")
        with pytest.raises(LOST):
            await asyncpg.connect(f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres")


async def test_an_answer_is_cut_and_what_was_asked_for_is_done(postgres_server, postgres_url):
    """The client does not learn of a COMMIT that has happened."""
    async with proxied(postgres_server, postgres_url) as (connection, proxy):
        await connection.execute("CREATE TABLE made (id int)")
        proxy.cut_answer = lambda request: b"COMMIT" in request
        with pytest.raises(LOST):
            async with connection.transaction():
                await connection.execute("INSERT INTO made VALUES (1)")
        another = await asyncpg.connect(postgres_url)
        await until(lambda: another.fetchval("SELECT id = 1 FROM made"))
        await another.close()
