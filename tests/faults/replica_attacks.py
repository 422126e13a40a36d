"""Owns attacks on a cluster under load: what is done to one replica at a random moment, and what must hold afterwards."""

import json
import random
from collections import defaultdict
from itertools import groupby
from types import SimpleNamespace

import anyio
import httpx
from metrics_reading import samples
from replica_truth import ClusterLog
from replicas import PATIENCE, Came, Cluster, Replica
from tracking import clock
from waiting import until

from tracker.delivery.global_concurrency_limit import MAX_ATTEMPTS

GOOD_SWEEPS = "batchtracker_sweeps_total"
HELD_AFTER_A_KILL = 16_000
"""Milliseconds for which an account may be without a replica."""


class Attacks:
    """What is done to the replicas of `cluster`; `vacant` is for how long (milliseconds) leases had no holder, by attack."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self.cluster = cluster
        self.vacant: dict[str, list[int]] = defaultdict(list)
        self.number = 0
        self._chance = random.Random(seed)
        self._earlier: ClusterLog | None = None
        self._came: tuple[list[Came], list[Came]] = [], []
        self._epochs: dict[tuple[str, str], int] = {}

    async def kill(self) -> None:
        """SIGKILL; the others take over, and it starts again."""
        victim, keys = await self._victim()
        at = self.cluster.server_now()
        await victim.kill()
        await self._taken_over(victim, keys, at, "kill")
        await victim.start()
        await self.look()

    async def stop(self, *, for_good: bool = False) -> None:
        """SIGTERM; it gives back what it holds, the others take it, and unless it is `for_good` it starts again."""
        victim, keys = await self._victim()
        at = self.cluster.server_now()
        assert await victim.stop() == 0
        await self._taken_over(victim, keys, at, "stop")
        if not for_good:
            await victim.start()
        await self.look()

    async def pause(self, seconds: float) -> None:
        """SIGSTOP; the others take over, and after so long it goes on as if nothing had happened."""
        victim, keys = await self._victim()
        at = self.cluster.server_now()
        victim.pause()
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.sleep, seconds)
                group.start_soon(self._taken_over, victim, keys, at, "pause")
        finally:
            victim.resume()
        await self.cluster.receivers.get(5)
        await self.look()

    async def cut_off(self, name: str, how: str) -> None:
        """Its proxy goes silent, or resets: others take over, it asks and sends nothing more, and works again afterwards."""
        await self.cluster.held()
        self.number += 1
        replica, proxy = self.cluster.replicas[name], self.cluster.proxies[name]
        getattr(proxy, how)()
        await self.cluster.held(by=self._others(replica))
        await replica.becomes_ready(ready=False)
        await self.cluster.receivers.get(3)  # what it had sent before has come by then
        before = self._requests_of(name)
        await self.cluster.receivers.get(5)
        assert self._requests_of(name) == before, f"replica {name} works on without leases"
        proxy.pass_on()
        await self.cluster.held()

    async def cut_off_within_a_sweep(self, name: str, how: str, watched: float) -> int:
        """Its proxy goes silent, or resets, while a sweep of it has far to go; how much it asks once others have its accounts.

        The sweep takes some seconds more than leases last and than `watched`, which is how long (seconds) it is looked at.
        """
        replica = self.cluster.replicas[name]
        await self._begins_a_sweep(replica)
        self.number += 1
        getattr(self.cluster.proxies[name], how)()
        await self.cluster.held(by=self._others(replica))
        before = self._requests_of(name)
        await anyio.sleep(watched)
        asked = self._requests_of(name) - before
        self.cluster.proxies[name].pass_on()
        await self.cluster.held()
        return asked

    async def _begins_a_sweep(self, replica: Replica) -> None:
        """Wait until one has ended, and the next one has read its first pages: it needs the database for nothing more."""
        async with httpx.AsyncClient(base_url=replica.daemon.url, timeout=PATIENCE) as client:
            before = await _good_sweeps(client)

            async def swept() -> bool:
                return await _good_sweeps(client) != before

            await until(swept, PATIENCE, every=0.05)
        asked = self._requests_of(replica.name)
        await until(lambda: self._requests_of(replica.name) >= asked + 2, PATIENCE, every=0.05)

    async def sleep_before_a_write(self, name: str, deliveries: int = 20) -> None:
        """It stops right before it records events, until another has its account and got on; `WAKES_TOO_LATE` is planted."""
        await self.cluster.held()
        self.number += 1
        victim = self.cluster.replicas[name]
        (victim.config.parent / "planted" / "asleep").touch()
        await self.cluster.until_none(lambda: {name} if victim.state != "T" else set(), "replicas do not sleep")
        await self.cluster.held(by=self._others(victim))
        await self.cluster.receivers.get(deliveries)
        victim.resume()
        await self.cluster.receivers.get(2)

    def _others(self, victim: Replica) -> list[str]:
        return [replica.name for replica in self.cluster.alive if replica is not victim]

    def _requests_of(self, name: str) -> int:
        return sum(came.replica == name for came in (*self.cluster.apis.came, *self._deliveries()))

    async def _victim(self) -> tuple[Replica, set[tuple[str, str]]]:
        """A replica, at a random moment while it has work, and what it holds then."""
        holders = await self.cluster.held()
        await self.cluster.receivers.get(self._chance.choice((1, 1, 5, 20)))
        await anyio.sleep(self._chance.uniform(0, 0.25))
        victim = self._chance.choice(self.cluster.alive)
        self.number += 1
        return victim, {key for key, holder in holders.items() if holder == victim.name and key[0] != "maintenance"}

    async def _taken_over(self, victim: Replica, keys: set[tuple[str, str]], at: int, attack: str) -> None:
        await self.cluster.held(by=self._others(victim))
        since = {
            (kind, name): at for kind, name, at in self.cluster.fetch("SELECT kind, name, since FROM batch_tracker.leases")
        }
        self.vacant[attack].append(max((since[key] - at for key in keys), default=0))

    async def look(self) -> None:
        """What could be read or was received is still in the log."""
        received = [SimpleNamespace(name=each.name, got=[*each.got]) for each in self.cluster.receivers.by_name.values()]
        log = await anyio.to_thread.run_sync(ClusterLog, self.cluster)  # the APIs and receivers go on meanwhile
        if self._earlier:
            log.goes_on_from(self._earlier)
        log.has_all_that_was_received(*received)
        self._earlier = log

    async def end(self) -> ClusterLog:
        """All that had happened until now is logged and delivered; the replicas stop, and everything is held to the truth."""
        until = clock()
        await self._settled(until)
        self._came = [*self.cluster.apis.came], self._deliveries()  # those that stop in the end hand over once more
        rows = self.cluster.fetch("SELECT kind, name, epoch FROM batch_tracker.leases")
        self._epochs = {(kind, name): epoch for kind, name, epoch in rows}
        for replica in self.cluster.alive:
            assert await replica.stop() == 0
        await self.look()
        log, receivers = self._earlier, self.cluster.receivers.by_name.values()
        log.is_true(self.cluster.apis, until)
        log.has_a_delivery_for_each(*receivers)
        log.was_received(*receivers, last=self._last)
        copies = log.copies_of(receivers)
        assert copies.total() <= self.number * MAX_ATTEMPTS, copies
        return log

    async def _settled(self, until: float) -> None:
        began = (await anyio.to_thread.run_sync(ClusterLog, self.cluster)).began
        ends = {
            (account, plan.id)
            for account, simulator in self.cluster.apis.simulators.items()
            for plan in simulator.workspace.plans.values()
            if began < plan.created and plan.ended < until
        }
        ended = "SELECT account, id FROM batch_tracker.jobs WHERE NOT active"
        await self.cluster.until_none(lambda: ends - set(self.cluster.fetch(ended)), "ends of jobs are not logged")
        self._last = self.cluster.fetch("SELECT seq FROM batch_tracker.log_head")[0][0]
        pending = "SELECT receiver, seq FROM batch_tracker.deliveries WHERE state = 'pending' AND seq <= $1"
        await self.cluster.until_none(lambda: self.cluster.fetch(pending, self._last), "deliveries are not made")

    def each_had_one_replica(self, strays: int = 0) -> None:
        """The replica of an account or a receiver changes no more often than its lease, apart from `strays`."""
        for kind, came in zip(("account", "receiver"), self._came, strict=True):
            for name, changes in _changes_of_hands(came).items():
                assert changes <= self._epochs[kind, name] + 2 * strays, (
                    f"{kind} {name}: {changes} changes, {self._epochs[kind, name]} leases"
                )

    def _deliveries(self) -> list[Came]:
        return [came for receiver in self.cluster.receivers.by_name.values() for came in receiver.came]

    def figures(self, log: ClusterLog) -> str:
        longest = {attack: f"{len(all_)} times, vacant for {max(all_)} ms at most" for attack, all_ in self.vacant.items()}
        copies = log.copies_of(self.cluster.receivers.by_name.values()).total()
        return f"{json.dumps(longest)}; {len(log.events)} events, {len(log.states)} deliveries, {copies} copies"


async def _good_sweeps(client: httpx.AsyncClient) -> float:
    page = samples((await client.get("/metrics")).content)
    return sum(value for (name, labels), value in page.items() if name == GOOD_SWEEPS and ("result", "ok") in labels)


def _changes_of_hands(came: list[Came]) -> dict[str, int]:
    """How often another replica than before made the requests for each name, the first one included."""
    by_name = defaultdict(list)
    for request in came:
        by_name[request.of].append(request.replica)
    return {name: sum(1 for _ in groupby(replicas)) for name, replicas in by_name.items()}
