"""What replicas share: accounts polled by three processes, and what it costs to be one of three."""

import json
from collections import Counter
from contextlib import asynccontextmanager

import anyio
import pytest
from canned import job
from proc import cpu, memory
from replicas import Replica
from waiting import until

from tracker.server.embedded import open_server

pytestmark = [pytest.mark.no_cover, pytest.mark.slow, pytest.mark.timeout(1200)]  # no_cover: it measures

MB = 1_000_000
NAMES = "abc"
LIFE = 300.0
"""Seconds after which what replicas are waited for does not come any more, however slow the machine."""

ACCOUNT = """
[[accounts]]
name = "account-{number}"
api_key = {{ env = "KEY" }}
base_url = "{url}/{number}"
poll_interval = "{interval}s"
requests_per_second = 10
stalled_after = "3650d"
timeout_hours = 8784
"""


class Api:
    """Has a job that runs for each account, and counts requests by the replica whose key they have."""

    def __init__(self, accounts):
        self.requests = Counter()
        self.polled = set()
        self._accounts = accounts

    async def __call__(self, scope, _receive, send):
        number = int(scope["path"].split("/")[1])
        key = next(value for name, value in scope["headers"] if name == b"authorization")
        self.requests[key.decode().removeprefix("Bearer key-of-")] += 1
        self.polled.add(number)
        is_asked = b"created_after" not in scope["query_string"] or b"status" in scope["query_string"]
        data = [job(number)] if is_asked else []
        body = json.dumps({"object": "list", "total": len(data), "data": data}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def polled_all(self):
        """Each account has been polled since it was last looked."""
        self.polled.clear()
        await until(lambda: len(self.polled) >= self._accounts, LIFE, every=0.1)


@asynccontextmanager
async def polling(folder, server, names, accounts, interval):
    """Replicas of these names that share this number of accounts; the API that they poll."""
    folder.mkdir()
    api, database = Api(accounts), server.create_database()
    async with open_server(api, "127.0.0.1", 0) as address, anyio.create_task_group() as group:
        replicas = [Replica(folder / name, name, server.url(database), group) for name in names]
        for replica in replicas:
            sections = (ACCOUNT.format(number=number, url=address.url, interval=interval) for number in range(accounts))
            replica.configure("".join(sections))
            await replica.start()
        await until(lambda: _are_shared(server, database, _equal(accounts, names)), LIFE, every=0.2)
        await api.polled_all()
        yield api, replicas
        group.cancel_scope.cancel()
    server.drop_database(database)


async def _are_shared(server, database, wanted):
    return await _shares(server, database) == wanted


async def _shares(server, database):
    sql = "SELECT holder, count(*) FROM batch_tracker.leases WHERE kind = 'account' AND holder IS NOT NULL GROUP BY holder"
    return sorted(dict(await anyio.to_thread.run_sync(lambda: server.fetch(sql, database=database))).values())


def _equal(accounts, names):
    return sorted((accounts + place) // len(names) for place in range(len(names)))


async def _spent(replicas, seconds):
    """CPU seconds of each within this time."""
    before = [cpu(replica.daemon.process.pid) for replica in replicas]
    await anyio.sleep(seconds)
    return [cpu(replica.daemon.process.pid) - was for replica, was in zip(replicas, before, strict=True)]


@pytest.mark.parametrize(("accounts", "interval", "seconds"), [(60, 1, 5), pytest.param(3000, 15, 60, marks=pytest.mark.long)])
async def test_replicas_share_the_work(count, postgres_server, tmp_path, accounts, interval, seconds):
    """Three replicas poll a third of the accounts each, with a third of the requests; target: a third of the CPU each."""
    used, asked = count(f"{accounts:,} accounts: % of a core"), count(f"{accounts:,} accounts: requests a second")
    resident = count(f"{accounts:,} accounts: MB of a replica")
    for names in (NAMES[:1], NAMES):
        async with polling(tmp_path / names, postgres_server, names, accounts, interval) as (api, replicas):
            api.requests.clear()
            spent = await _spent(replicas, seconds)
            requests = dict(api.requests)
            resident.record(
                f"the largest of {len(names)}", max(memory(each.daemon.process.pid, "VmRSS") for each in replicas) / MB
            )
        for name, share in zip(names, spent, strict=True):
            used.record(f"replica {name} of {len(names)}", share / seconds * 100)
            asked.record(f"replica {name} of {len(names)}", requests[name] / seconds)
        assert set(requests) == set(names)
        assert max(requests.values()) < 1.5 * sum(requests.values()) / len(names)
