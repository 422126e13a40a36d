"""A log of years in PostgreSQL: how soon a replica is ready with it, and what a query of the page and the API costs."""

import os
import time

import httpx
import long_log
import long_log_postgres
import pytest
from canned import apart
from postgres_server import running_server
from test_long_log import LOOKS, PATHS, add_receivers, answers, queries
from tracking import Installation
from waiting import until_ready

from tracker.store.opening import open_reader

pytestmark = [pytest.mark.no_cover, pytest.mark.slow, pytest.mark.timeout(3600)]  # no_cover: it measures

TARGET = 0.05
AS_INSTALLED = {"shared_buffers": "128MB", "max_wal_size": "1GB"}
"""As Debian configures the server."""


@pytest.fixture(scope="module")
def server():
    with running_server(settings=AS_INSTALLED) as server:
        yield server


@pytest.mark.parametrize("events", [100_000, *(pytest.param(10**power, marks=pytest.mark.long) for power in (6, 7))])
async def test_a_long_log_in_postgres(compare, count, server, tmp_path, events):
    """Each page and each query of a log of 10 million events takes 50 ms. LONG_LOG_URL may name a database that has one.

    The short form shows that the log is as `long_log` writes it.
    """
    url = await _long_log(server, events)
    async with apart(long_log.ACTIVE) as api:
        installation = Installation(
            tmp_path, api, postgres_url=url, poll_interval="15s", requests_per_second=50, request_timeout="10s"
        )
        add_receivers(installation)
        began = time.perf_counter()
        async with installation.running() as tracker, httpx.AsyncClient(base_url=tracker.url, timeout=60.0) as client:
            await until_ready(client)
            ready = count(f"PostgreSQL, {events:,} events: seconds to ready")
            ready.record("target", 2)
            ready.record("measured", time.perf_counter() - began)
            await answers(client, compare(f"PostgreSQL, {events:,} events: GET"), _paths(events))
    async with open_reader(installation.database) as reader:
        await queries(reader, compare(f"PostgreSQL, {events:,} events: query"), LOOKS)
        assert await reader.last_seq() >= events


def _paths(events):
    """The pages; what begins in the middle of ten million events begins in the middle of these."""
    return [*(path.replace("=5000000", f"={events // 2}") for path in PATHS), "/replicas"]


async def _long_log(server, events):
    if url := os.environ.get("LONG_LOG_URL"):
        return url
    url = server.url(server.create_database())
    await long_log_postgres.write(url, events)
    return url
