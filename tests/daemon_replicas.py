"""Owns daemons of one process that share a PostgreSQL database: replicas in all but their processes."""

from collections.abc import Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
from msgspec.structs import replace

from tracker.config import Account, Config, Http, Listen, Secret, Storage
from tracker.daemon.startup import RunningDaemon, open_daemon
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver

TOKEN = "canary-page-token"
LIFE = 60.0
SOON = 0.02
"""Seconds between two looks at what is no event."""


def configuration(url: str, folder: Path, *, accounts: Sequence[str], api: str, receivers: dict[str, str]) -> Config:
    """Of a daemon that polls these accounts at `api` and serves webhooks at these URLs, all as fast as it can."""
    return Config(
        source=None,
        storage=Storage(None, url=Secret(url), replica="a", state_directory=folder),
        http=Http(listen=(Listen(port=0),), token=Secret(TOKEN)),
        accounts=tuple(
            Account(
                name=name,
                api_key=Secret("key"),
                base_url=api,
                poll_interval=0.2,
                requests_per_second=1000.0,
                progress_every=0.0,
            )
            for name in accounts
        ),
        receivers=tuple(
            WebhookReceiver(name=name, url=Secret(hook), events=("*",), retry=(0.1,) * 100) for name, hook in receivers.items()
        ),
    )


class DaemonReplica:
    """A running daemon, and a client that may read and write."""

    def __init__(self, name: str, running: RunningDaemon, client: httpx.AsyncClient) -> None:
        self.name = name
        self.supervisor = running.supervisor
        self.store = running.supervisor.dependencies.store
        self.client = client

    def held(self, kind: str) -> set[str]:
        """The names of what it holds."""
        return {key.name for key in self.store.leases.assigned() if key.kind == kind}

    async def get(self, path: str):
        answer = await self.client.get(path)
        return answer.status_code, answer.json()

    async def readiness(self) -> tuple[int, list[str]]:
        status, found = await self.get("/readyz")
        return status, found["reasons"]


@asynccontextmanager
async def daemon_replica(config: Config, name: str):
    """A daemon with this configuration under that name."""
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with AsyncExitStack() as stack:
        config = replace(config, storage=replace(config.storage, replica=name))
        running = await stack.enter_async_context(open_daemon(config))
        client = httpx.AsyncClient(base_url=running.address.url, headers=headers, timeout=LIFE)
        yield DaemonReplica(name, running, await stack.enter_async_context(client))
