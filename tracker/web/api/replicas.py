"""Owns /api/replicas: the replicas that share the database, and which of them works on what."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response

from tracker.core.ports.reader import Reader
from tracker.core.replicas.lease import LeaseKey, LeaseKind
from tracker.core.replicas.unheld_leases import find_unheld
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints.endpoint import Endpoint, ResponseSpec, json_response


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """One process that shares the database. It is `live` while it renews its leases, which it does before `expires_at`."""

    name: str
    instance: Annotated[str, Meta(description="Of this process; a replica that starts again has another")]
    version: str
    url: Annotated[str | None, Meta(description="Where this replica answers")]
    live: bool
    joined_at: str
    renewed_at: str
    expires_at: str
    accounts: Annotated[int, Meta(description="How many accounts it works on")]
    receivers: Annotated[int, Meta(description="How many receivers it works on")]


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """What one replica works on. `holder` is null if no live replica holds the lease."""

    kind: LeaseKind
    name: Annotated[str, Meta(description='Of the account or receiver; "log" for the maintenance')]
    holder: str | None
    epoch: Annotated[int, Meta(description="Raised by each change of hands")]
    since: str | None
    expires_at: str | None


class Unheld(msgspec.Struct, frozen=True, kw_only=True):
    """What this replica's configuration has and no live replica works on."""

    kind: LeaseKind
    name: str


class Replicas(msgspec.Struct, frozen=True, kw_only=True):
    """Every replica, every lease, and what no replica works on; all empty if the database is a file of one process."""

    object: Literal["list"] = "list"
    data: list[Replica]
    leases: list[Lease]
    unheld: list[Unheld]


def endpoints(daemon: Daemon) -> list[Endpoint]:
    async def replicas() -> Response:
        async with daemon.reader() as reader:
            return json_response(await _replicas(daemon, reader))

    answer = ResponseSpec(Replicas, "The replicas, and which of them works on what")
    return [Endpoint("GET", "/api/replicas", "replicas", replicas, answer)]


async def _replicas(daemon: Daemon, reader: Reader) -> Replicas:
    replicas, leases = await reader.replicas(), await reader.leases()
    unheld = unheld_of(daemon, leases) if replicas or leases else []
    return Replicas(
        data=[msgspec.convert(each, Replica) for each in replicas],
        leases=[msgspec.convert(each, Lease) for each in leases],
        unheld=[Unheld(kind=key.kind, name=key.name) for key in unheld],
    )


def unheld_of(daemon: Daemon, leases: Sequence[dict[str, Any]]) -> list[LeaseKey]:
    """What the daemon's configuration has and no live replica works on."""
    config = daemon.config
    return find_unheld(leases, [each.name for each in config.accounts], [each.name for each in config.receivers])
