"""Owns a cluster: replicas of the real command on one PostgreSQL, the APIs that they watch, and the receivers that they serve.

Each replica says who it is in a header of each request, to the APIs and to the receivers.
"""

import json
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import anyio
import asyncpg
import httpx
from anyio.abc import TaskGroup, TaskStatus
from postgres_server import PostgresServer
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from tcp_proxy import TcpProxy
from tracking import Daemon, Installation, clock
from waiting import until

from tracker.server.embedded import open_server
from tracker.simulator.mistral_api import Simulator
from tracker.simulator.random_job_plans import Population
from tracker.simulator.workspace import Workspace

REPLICA = "x-replica"
ACCOUNT = {"poll_interval": "200ms", "requests_per_second": 50, "request_timeout": "1s", "progress_every": "0s"}
PATIENCE = 120
"""Seconds; ends a hang, and says nothing of how soon anything has to be."""
RECEIVER = {"retry": ["100ms"] * 60, "hold": "forever", "timeout": "20s"}


class Came(NamedTuple):
    """A request: when (the monotonic clock, seconds), for which account or receiver, and of which replica."""

    at: float
    of: str
    replica: str


class Apis:
    """A simulated API for each account, at /NAME; `came` are the requests in their order."""

    def __init__(self, accounts: Sequence[str], *, jobs: int, speed: float, seed: int) -> None:
        self.came: list[Came] = []
        self.simulators = {name: _simulator(jobs, speed, seed + number * 2) for number, name in enumerate(accounts)}

    async def __call__(self, scope, receive, send) -> None:
        _, account, rest = scope["path"].split("/", 2)
        replica = dict(scope["headers"]).get(REPLICA.encode(), b"").decode()
        self.came.append(Came(time.monotonic(), account, replica))
        path = "/" + rest
        await self.simulators[account].app(scope | {"path": path, "raw_path": path.encode()}, receive, send)


def _simulator(jobs: int, speed: float, seed: int) -> Simulator:
    population = Population(seed, speed)
    workspace = Workspace(arrivals=population.arrivals(jobs, clock()))
    return Simulator(workspace, clock, population=Population(seed + 1, speed))


class ReceiverOfAccount:
    """Keeps the id and the bytes of all that it was sent; it wants the events of its account and of none, or all."""

    def __init__(self, name: str, account: str | None) -> None:
        self.name = name
        self.account = account
        self.status = 204
        self.got: list[tuple[str, bytes]] = []
        self.came: list[Came] = []

    def wants(self, event: dict) -> bool:
        is_own = event["type"].startswith("receiver.") and event["data"].get("receiver") == self.name
        return not is_own and (self.account in (None, event["account"]) or not event["account"])

    @property
    def ids(self) -> list[str]:
        return [id_ for id_, _ in self.got]

    @property
    def copies(self) -> int:
        return len(self.got) - len(set(self.ids))


class Receivers:
    """All receivers, each at /NAME."""

    def __init__(self, receivers: Sequence[ReceiverOfAccount]) -> None:
        self.by_name = {receiver.name: receiver for receiver in receivers}
        self.arrived = anyio.Event()

    async def __call__(self, scope, receive, send) -> None:
        request = Request(scope, receive)
        receiver = self.by_name[scope["path"].strip("/")]
        came = Came(time.monotonic(), receiver.name, request.headers.get(REPLICA, ""))
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        receiver.came.append(came)
        receiver.got.append((request.headers["webhook-id"], body))
        self.arrived.set()
        self.arrived = anyio.Event()
        await Response(status_code=receiver.status)(scope, receive, send)

    @property
    def number(self) -> int:
        return sum(len(receiver.got) for receiver in self.by_name.values())

    async def get(self, more: int) -> None:
        """Wait until `more` further deliveries have come."""
        wanted = self.number + more
        with anyio.fail_after(PATIENCE):
            while self.number < wanted:
                await self.arrived.wait()


class Replica(Installation):
    """One of the processes, with a configuration of its own; started, stopped and killed as a test likes."""

    def __init__(self, folder: Path, name: str, database_url: str, group: TaskGroup) -> None:
        folder.mkdir(exist_ok=True)
        self.name = name
        self.config = folder / "tracker.toml"
        self.under = []
        self.environment = {"KEY": f"key-of-{name}", "DATABASE_URL": database_url, "SSL_CERT_FILE": os.environ["SSL_CERT_FILE"]}
        self.daemon: Daemon | None = None
        self.said: list[dict] = []
        """The log lines of all its lives."""
        self._group = group

    def configure(self, sections: str) -> None:
        storage = f'[storage]\nurl = {{ env = "DATABASE_URL" }}\nreplica = "{self.name}"\n'
        self.config.write_text(f'{storage}[http]\nlisten = "127.0.0.1:0"\n{sections}'.replace("$REPLICA", self.name))

    async def start(self) -> None:
        """Return as soon as it says that it has started."""
        await self._group.start(self._run)

    async def _run(self, *, task_status: TaskStatus[None]) -> None:
        self._may_end = False
        async with self.running() as self.daemon:
            task_status.started()
            await self.daemon.ended.wait()
            await self.daemon.process.wait()  # or it would be killed, and who waits for its status would not get it
        self.said += self.daemon.lines
        assert self._may_end, f"replica {self.name} ended by itself: {self.said[-2:]}"

    @property
    def is_alive(self) -> bool:
        return self.daemon is not None and self.daemon.process.returncode is None

    async def kill(self) -> None:
        """SIGKILL; returns once it has ended."""
        self._may_end = True
        self.daemon.process.kill()
        await self.daemon.ended.wait()

    async def stop(self) -> int:
        """SIGTERM, and wait for its end: the exit status."""
        self._may_end = True
        return await self.daemon.stop(signal.SIGTERM)

    @property
    def state(self) -> str:
        """As the kernel has it: T where it is stopped."""
        return Path(f"/proc/{self.daemon.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    def pause(self) -> None:
        self.daemon.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.daemon.process.send_signal(signal.SIGCONT)

    async def becomes_ready(self, *, ready: bool = True) -> None:
        """Wait until it says so, or where `ready` is false, that it cannot use its database; it lives either way."""
        async with httpx.AsyncClient(base_url=self.daemon.url, timeout=PATIENCE) as client:

            async def is_so() -> bool:
                answer = await client.get("/readyz")
                return (answer.status_code == 200) is ready and (ready or "storage" in answer.text)

            await until(is_so, PATIENCE, every=0.05)

    @property
    def lines(self) -> list[dict]:
        return self.said + (self.daemon.lines if self.is_alive else [])


class Cluster:
    """Replicas by name, the database that they share, and what is around them."""

    def __init__(self, server: PostgresServer, database: str, apis: Apis, receivers: Receivers) -> None:
        self.server = server
        self.database = database
        self.apis = apis
        self.receivers = receivers
        self.replicas: dict[str, Replica] = {}
        self.proxies: dict[str, TcpProxy] = {}

    async def start(self) -> None:
        """Start all replicas at once."""
        async with anyio.create_task_group() as starting:
            for replica in self.replicas.values():
                starting.start_soon(replica.start)

    @property
    def alive(self) -> list[Replica]:
        return [replica for replica in self.replicas.values() if replica.is_alive]

    def fetch(self, sql: str, *arguments: object) -> list[tuple]:
        """Rows of a statement about the tables of the store, whose schema is `batch_tracker`."""
        return self.server.fetch(sql, *arguments, database=self.database)

    def server_now(self) -> int:
        """Unix milliseconds of the server's clock."""
        return self.fetch("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")[0][0]

    def holders(self) -> dict[tuple[str, str], str]:
        """Who holds each lease now, by kind and name: those whose replica lives."""
        rows = self.fetch(
            "SELECT kind, l.name, holder FROM batch_tracker.leases l JOIN batch_tracker.replicas r USING (instance)"
            " WHERE r.expires_at > extract(epoch FROM clock_timestamp()) * 1000"
        )
        return {(kind, name): holder for kind, name, holder in rows}

    def _holders_if_reachable(self) -> dict[tuple[str, str], str]:
        try:
            return self.holders()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):  # no server, or no tables yet
            return {}

    async def held(self, *, by: Sequence[str] | None = None) -> dict[tuple[str, str], str]:
        """Wait until `by` (those that live) hold all accounts and receivers, and each of them some of both."""
        names = set(by or [replica.name for replica in self.alive])
        wanted = {("account", name) for name in self.apis.simulators} | {("receiver", name) for name in self.receivers.by_name}
        shared = {(kind, name) for kind in ("account", "receiver") for name in names}
        holders: dict[tuple[str, str], str] = {}

        def missing() -> set[tuple[str, str]]:
            holders.clear()
            holders.update(self._holders_if_reachable())
            who = {(kind, holder) for (kind, name), holder in holders.items() if (kind, name) in wanted}
            return (wanted - holders.keys()) | (shared ^ who)

        await self.until_none(missing, "are not held as they should be")
        return holders

    async def until_none(self, missing: Callable[[], Collection], what: str) -> None:
        """Wait until nothing is `missing`, which is asked in a thread."""
        left: Collection = ()

        async def is_none() -> bool:
            nonlocal left
            left = await anyio.to_thread.run_sync(missing)
            return not left

        try:
            await until(is_none, PATIENCE, every=0.1)
        except TimeoutError:
            raise AssertionError(f"{len(left)} {what}: {sorted(left)[:3]}") from None


@asynccontextmanager
async def cluster(
    folder: Path,
    server: PostgresServer,
    *,
    replicas: int = 3,
    accounts: int = 30,
    jobs: int = 3,
    speed: float = 30.0,
    seed: int = 1,
    proxied: bool = False,
    port: int | None = None,
    account: dict | None = None,
    started: bool = True,
) -> AsyncIterator[Cluster]:
    """Replicas, accounts with about `active` jobs each, and a receiver for each account; all of it on loopback.

    With `proxied` each replica reaches PostgreSQL through a proxy of its own; `port` is a pooler's.
    A receiver `all` gets the events of all accounts.
    """
    names = [f"account-{number}" for number in range(accounts)]
    wanted = [ReceiverOfAccount(f"of-{name}", name) for name in names] + [ReceiverOfAccount("all", None)]
    apis, receivers = Apis(names, jobs=jobs, speed=speed, seed=seed), Receivers(wanted)
    database = server.create_database()
    async with AsyncExitStack() as stack:
        stack.callback(server.drop_database, database)
        api = await stack.enter_async_context(open_server(apis, "127.0.0.1", 0))
        hooks = await stack.enter_async_context(open_server(receivers, "127.0.0.1", 0))
        made = Cluster(server, database, apis, receivers)
        group = await stack.enter_async_context(anyio.create_task_group())
        sections = _sections(api.url, names, hooks.url, wanted, account or {})
        for name in "abcdefghij"[:replicas]:
            if proxied:
                proxy = made.proxies[name] = TcpProxy(("127.0.0.1", server.port))
                port = (await stack.enter_async_context(proxy.serving())).port
            made.replicas[name] = Replica(folder / name, name, server.url(database, port=port), group)
            made.replicas[name].configure(sections)
        if started:
            await made.start()
        yield made
        group.cancel_scope.cancel()


def _sections(api: str, accounts: Sequence[str], hooks: str, receivers: Sequence[ReceiverOfAccount], account: dict) -> str:
    headers = f'headers = {{ "{REPLICA}" = "$REPLICA" }}\n'
    text = ""
    for name in accounts:
        text += f'[[accounts]]\nname = "{name}"\napi_key = {{ env = "KEY" }}\nbase_url = "{api}/{name}"\n{headers}'
        text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in (ACCOUNT | account).items())
    for receiver in receivers:
        text += f'[[receivers]]\nname = "{receiver.name}"\nkind = "webhook"\nurl = "{hooks}/{receiver.name}"\n{headers}'
        text += 'events = ["*"]\n' + (f'match = {{ account = "{receiver.account}" }}\n' if receiver.account else "")
        text += "".join(f"{key} = {json.dumps(value)}\n" for key, value in RECEIVER.items())
    return text
