"""What a request costs: our transport, httpx's own transport, and httpx's client, each with a connection for every request."""

import time
from functools import partial

import anyio
import httpx
import pytest
from canned import apart

from tracker.http.client import CONNECTIONS, HttpClient, Request, tls_context
from tracker.http.connection import Connection
from tracker.http.proxy_connection import HttpxTransport
from tracker.runtime.heartbeat import Heartbeat

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

OURS, BARE, CLIENT = "a connection of ours", "a transport of httpx", "a client of httpx"


@pytest.mark.parametrize(("requests", "runs"), [(400, 3), pytest.param(2000, 9, marks=pytest.mark.long)])
async def test_asking(compare, requests, runs):
    """All is answered, and ours costs less than what httpx has for it; that is why it is there."""
    comparison, tls = compare(f"{requests:,} POST, 16 at once: CPU", time.process_time), tls_context()
    limits = httpx.Limits(max_connections=1, max_keepalive_connections=1)
    ways = {
        OURS: partial(Connection, tls),
        BARE: lambda: HttpxTransport(httpx.AsyncHTTPTransport(verify=tls, limits=limits)),
        CLIENT: lambda: HttpxTransport(_Client(tls)),
    }
    async with apart(100) as url:
        for _ in range(runs):
            for way, connection in ways.items():
                async with HttpClient(connection, Heartbeat()) as client:
                    await _ask(client, url, CONNECTIONS)  # and be connected
                    with comparison.time(way):
                        await _ask(client, url, requests)
    assert comparison.ratio(OURS, CLIENT) < 0.8


class _Client(httpx.AsyncBaseTransport):
    """A client of httpx as a transport."""

    def __init__(self, tls):
        self._client = httpx.AsyncClient(verify=tls, timeout=None)  # noqa: S113 - as ours

    async def handle_async_request(self, request):
        return await self._client.send(request, stream=True)

    async def aclose(self):
        await self._client.aclose()


async def _ask(client, url, times):
    request = Request(method="POST", url=f"{url}/hook", content=b"x" * 1500)
    remaining = iter(range(times))

    async def ask():
        for _ in remaining:
            assert (await client.send(request)).status == 200

    async with anyio.create_task_group() as group:
        for _ in range(CONNECTIONS):
            group.start_soon(ask)
