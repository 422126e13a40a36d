"""Owns outages of PostgreSQL under a cluster: what is done to the server, and what the replicas say and do meanwhile."""

import time
from collections.abc import Callable

import anyio
from replica_attacks import Attacks
from replicas import PATIENCE
from waiting import until

IDLE = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname = $1 AND state LIKE 'idle in transaction%' AND application_name LIKE 'batch-tracker%'"""


class Outages(Attacks):
    """`back` is how long (seconds) after each return of the server all replicas were ready and something was delivered."""

    def __init__(self, cluster, seed) -> None:
        super().__init__(cluster, seed)
        self.back: list[float] = []

    async def outage(self, begin: Callable[[], object], end: Callable[[], object], seconds: float = 0.0) -> None:
        """From `begin` to `end`, and for `seconds` once all replicas have said so, the server is of no use."""
        await self._under_load()
        begin()
        said = [len(replica.daemon.lines) for replica in self.cluster.alive]
        for replica in self.cluster.alive:
            await replica.becomes_ready(ready=False)
        sent = self.cluster.receivers.number
        await anyio.sleep(seconds)
        assert self.cluster.receivers.number - sent <= 2 * len(self.cluster.receivers.by_name), "sends what it cannot settle"
        end()
        await self._comes_back()
        for replica, before in zip(self.cluster.alive, said, strict=True) if seconds else ():  # every lease ends
            for name in ("lease.renewal_failed", "lease.renewal_recovered", "storage.failed", "storage.recovered"):
                await replica.daemon.says(name, after=before)
        await self.look()

    async def disturbance(self, disturb: Callable[[], int]) -> None:
        """Connections are ended, until `disturb` has ended some, and the replicas make new ones."""
        await self._under_load()
        await until(disturb, PATIENCE, every=0.001)
        await self._comes_back()
        await self.look()

    def terminate(self) -> int:
        return self.cluster.server.terminate_connections(self.cluster.database, "batch-tracker%")

    def terminate_idle_in_transaction(self) -> int:
        return len(self.cluster.server.fetch(IDLE, self.cluster.database))

    async def _under_load(self) -> None:
        self.number += 1
        await self.cluster.held()
        await self.cluster.receivers.get(self._chance.choice((1, 5, 20)))
        await anyio.sleep(self._chance.uniform(0, 0.25))

    async def _comes_back(self) -> None:
        began = time.monotonic()
        for replica in self.cluster.alive:
            await replica.becomes_ready()
        await self.cluster.receivers.get(1)
        self.back.append(time.monotonic() - began)

    def figures(self, log) -> str:
        return f"{super().figures(log)}; back after {max(self.back):.1f} s at most"
