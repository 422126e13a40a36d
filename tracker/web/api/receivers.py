"""Owns /api/receivers and /api/accounts: their states by the configuration, the daemon and the log."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from tracker.config import Account as ConfiguredAccount
from tracker.config import Receiver as ConfiguredReceiver
from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Result
from tracker.core.deliveries.replay import unknown_receiver
from tracker.core.errors.provider_failure import Reason
from tracker.core.events.event import iso
from tracker.core.health.readiness import Health
from tracker.core.ports.reader import Reader
from tracker.core.replicas.lease import LeaseKind
from tracker.web.api.deliveries import Nothing
from tracker.web.api.orphaned_deliveries import orphans_of
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints.endpoint import Endpoint, Inputs, ResponseSpec, json_response
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.endpoints.request_parsing import ReceiverName


class LastError(msgspec.Struct, frozen=True, kw_only=True):
    """The last failed attempt of a delivery that has not succeeded since."""

    at: str
    seq: int
    result: Result
    status: int | None
    detail: str


MOST_UNREADABLE: Final = 20
"""Unreadable jobs and parts of lists that are shown of an account."""


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """The state of a receiver. `failures` are consecutive ones, from `since` on; before `quiet_until` nothing is sent."""

    name: str
    kind: Annotated[str, Meta(description='As in the configuration, such as "webhook"')]
    events: tuple[str, ...]
    state: Literal["ok", "failing", "disabled"]
    failures: int
    since: str | None
    reason: str | None
    detail: str | None
    quiet_until: str | None
    pending: int
    dead: int
    oldest_pending_at: str | None
    host: Annotated[str, Meta(description="Where it sends: a host, or a service of Apprise; the rest of the URL may be secret")]
    last_error: LastError | None
    replica: Annotated[
        str | UnsetType | None, Meta(description="The replica that serves it, null while none does; absent without replicas")
    ] = UNSET


class Orphaned(msgspec.Struct, frozen=True, kw_only=True):
    """The open deliveries of a receiver that is not in the configuration."""

    name: str
    pending: int
    dead: int
    oldest_pending_at: str | None


class Receivers(msgspec.Struct, frozen=True, kw_only=True):
    """Every receiver of the configuration; `orphaned` are others that have pending or dead deliveries."""

    object: Literal["list"] = "list"
    data: list[Receiver]
    orphaned: list[Orphaned]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an account. `up` is null before its first sweep. `jobs` are counts by status, with "deleted" as one.

    `unreadable` has some of the jobs and parts of lists that the last sweep could not read, though it could read the rest.
    """

    name: str
    provider: Annotated[str, Meta(description="The vendor whose API has its jobs, such as `mistral`")]
    up: bool | None
    reason: Reason | None
    detail: str | None
    failing_since: str | None
    last_good_sweep: str | None
    unreadable: list[str]
    clock_ahead: Annotated[float, Meta(description="Seconds by which the provider's clock is ahead of ours")]
    poll_interval: Annotated[float, Meta(description="Seconds")]
    requests_per_second: float
    jobs: dict[str, int]
    replica: Annotated[
        str | UnsetType | None, Meta(description="The replica that polls it, null while none does; absent without replicas")
    ] = UNSET


class OrphanedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account that is not in the configuration, and the number of its active jobs, which nothing watches."""

    name: str
    active_jobs: int


class Accounts(msgspec.Struct, frozen=True, kw_only=True):
    """Every account of the configuration; `orphaned` are others that have active jobs."""

    object: Literal["list"] = "list"
    data: list[Account]
    orphaned: list[OrphanedAccount]


class ReceiverPath(msgspec.Struct, frozen=True):
    """The receiver's name."""

    name: ReceiverName


class Enabled(msgspec.Struct, frozen=True):
    """Whether the receiver was disabled and is now enabled."""

    enabled: bool


def endpoints(daemon: Daemon) -> list[Endpoint]:
    async def receivers() -> Response:
        async with daemon.reader() as reader:
            circuits, holders = await reader.circuits(), await receiver_holders(reader)
            found = [await receiver_state(reader, each, circuits, holders) for each in daemon.config.receivers]
            orphans = await orphans_of(daemon, reader)
        orphaned = [Orphaned(name=name, **backlog._asdict()) for name, backlog in orphans.receivers.items()]
        return json_response(Receivers(data=found, orphaned=orphaned))

    async def enable(path: ReceiverPath, _: Nothing) -> Response:
        known = [receiver.name for receiver in daemon.config.receivers]
        if path.name not in known:
            raise Refusal(404, unknown_receiver(path.name, known))
        return json_response(Enabled(await daemon.enable(path.name)))

    async def accounts() -> Response:
        async with daemon.reader() as reader:
            counts = await reader.job_counts()
            orphans = await orphans_of(daemon, reader)
        found = [account_state(each, daemon.health, dict(counts.get(each.name, {}))) for each in daemon.config.accounts]
        orphaned = [OrphanedAccount(name=name, active_jobs=jobs) for name, jobs in orphans.accounts.items()]
        return json_response(Accounts(data=found, orphaned=orphaned))

    enabled = ResponseSpec(Enabled, "The receiver is retried at once")
    inputs: Inputs = {"path": ReceiverPath, "body": Nothing}
    return [
        Endpoint("GET", "/api/receivers", "receivers", receivers, ResponseSpec(Receivers, "The receivers")),
        Endpoint("POST", "/api/receivers/{name}/enable", "enable", enable, enabled, inputs, (404,)),
        Endpoint("GET", "/api/accounts", "accounts", accounts, ResponseSpec(Accounts, "The accounts")),
    ]


Holders = Mapping[str, str | None]
"""The replica that serves each receiver, None where none does."""


async def receiver_holders(reader: Reader) -> Holders | None:
    """Who serves the receivers; None without replicas."""
    leases = await reader.leases()
    return {each["name"]: each["holder"] for each in leases if each["kind"] == LeaseKind.RECEIVER} if leases else None


async def receiver_state(
    reader: Reader, receiver: ConfiguredReceiver, circuits: Mapping[str, Circuit], holders: Holders | None
) -> Receiver:
    circuit, backlog = circuits.get(receiver.name, Circuit()), await reader.backlog(receiver.name)
    last = await reader.last_error(receiver.name)
    return Receiver(
        name=receiver.name,
        kind=receiver.kind,
        events=receiver.events,
        state="disabled" if circuit.disabled else "failing" if circuit.is_open else "ok",
        failures=circuit.failures,
        since=None if circuit.since is None else iso(circuit.since),
        reason=circuit.reason or None,
        detail=circuit.detail or None,
        quiet_until=iso(circuit.quiet_until) if circuit.quiet_until else None,
        pending=backlog.pending,
        dead=backlog.dead,
        oldest_pending_at=backlog.oldest_pending_at,
        host=receiver.host,
        last_error=None if last is None else msgspec.convert(last, LastError),
        replica=UNSET if holders is None else holders.get(receiver.name),
    )


def account_state(account: ConfiguredAccount, daemon: Health, jobs: dict[str, int]) -> Account:
    health = daemon.of(account.name)
    failure = health.failure
    return Account(
        name=account.name,
        provider=account.provider,
        up=failure is None if health.known else None,
        reason=failure.reason if failure else None,
        detail=failure.detail if failure else None,
        failing_since=None if failure is None or health.failing_since is None else iso(health.failing_since),
        last_good_sweep=None if health.swept_at is None else iso(health.swept_at),
        unreadable=[f"{each.what}: {each.failure.detail}" for each in health.unreadable[:MOST_UNREADABLE]],
        clock_ahead=health.clock_ahead,
        poll_interval=account.poll_interval,
        requests_per_second=account.requests_per_second,
        jobs=jobs,
        replica=UNSET if daemon.replica is None else daemon.holder(account.name),
    )
