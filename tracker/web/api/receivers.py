"""Owns /api/receivers and /api/accounts: how each of them is, as the configuration, the daemon and the log have it."""

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response

from tracker.config import Account as ConfiguredAccount
from tracker.config import Receiver as ConfiguredReceiver
from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Result
from tracker.core.deliveries.replay import unknown_receiver
from tracker.core.errors.provider_failure import Reason
from tracker.core.events.event import iso
from tracker.core.ports.reader import Reader
from tracker.core.reconciliation.account_health import AccountHealth
from tracker.web.api.deliveries import Nothing
from tracker.web.api.orphans import orphans_of
from tracker.web.daemon_interface import Tracker
from tracker.web.endpoints.endpoint import Answer, Operation, Takes, json_response
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.endpoints.request_parsing import Text


class LastError(msgspec.Struct, frozen=True, kw_only=True):
    """The last attempt that failed, of what has not been delivered since."""

    at: str
    seq: int
    result: Result
    status: int | None
    detail: str


MOST_UNREADABLE: Final = 20
"""Of what cannot be read in an account so much is shown."""


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """How a receiver is. `failures` are those in a row, since `since`; before `quiet_until` nothing is sent."""

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
    host: Annotated[str, Meta(description="Where it sends; the rest of the URL may be secret")]
    last_error: LastError | None


class Orphaned(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for a receiver that is not in the configuration."""

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
    """How an account is: `up` is null until it was swept. `jobs` counts by status; "deleted" is one.

    `unreadable` names some of the jobs and the parts of lists that the last sweep could not read while it could the rest.
    """

    name: str
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


class OrphanedAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account that is not in the configuration, and how many jobs of it are active for ever."""

    name: str
    active_jobs: int


class Accounts(msgspec.Struct, frozen=True, kw_only=True):
    """Every account of the configuration; `orphaned` are others that have active jobs."""

    object: Literal["list"] = "list"
    data: list[Account]
    orphaned: list[OrphanedAccount]


class ReceiverPath(msgspec.Struct, frozen=True):
    """The receiver's name."""

    name: Text


class Enabled(msgspec.Struct, frozen=True):
    """Whether the receiver was disabled, and is enabled by it."""

    enabled: bool


def operations(tracker: Tracker) -> list[Operation]:
    async def receivers() -> Response:
        async with tracker.reader() as reader:
            circuits = await reader.circuits()
            found = [await receiver_state(reader, each, circuits) for each in tracker.config.receivers]
            orphans = await orphans_of(tracker, reader)
        orphaned = [Orphaned(name=name, **backlog._asdict()) for name, backlog in orphans.receivers.items()]
        return json_response(Receivers(data=found, orphaned=orphaned))

    async def enable(path: ReceiverPath, _: Nothing) -> Response:
        known = [receiver.name for receiver in tracker.config.receivers]
        if path.name not in known:
            raise Refusal(404, unknown_receiver(path.name, known))
        return json_response(Enabled(await tracker.enable(path.name)))

    async def accounts() -> Response:
        async with tracker.reader() as reader:
            counts = await reader.job_counts()
            orphans = await orphans_of(tracker, reader)
        healths = tracker.health.accounts
        found = [
            account_state(each, healths.get(each.name, AccountHealth()), dict(counts.get(each.name, {})))
            for each in tracker.config.accounts
        ]
        orphaned = [OrphanedAccount(name=name, active_jobs=jobs) for name, jobs in orphans.accounts.items()]
        return json_response(Accounts(data=found, orphaned=orphaned))

    enabled = Answer(Enabled, "It is tried again at once")
    takes: Takes = {"path": ReceiverPath, "body": Nothing}
    return [
        Operation("GET", "/api/receivers", "receivers", receivers, Answer(Receivers, "The receivers")),
        Operation("POST", "/api/receivers/{name}/enable", "enable", enable, enabled, takes, (404,)),
        Operation("GET", "/api/accounts", "accounts", accounts, Answer(Accounts, "The accounts")),
    ]


async def receiver_state(reader: Reader, receiver: ConfiguredReceiver, circuits: Mapping[str, Circuit]) -> Receiver:
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
    )


def account_state(account: ConfiguredAccount, health: AccountHealth, jobs: dict[str, int]) -> Account:
    failure = health.failure
    return Account(
        name=account.name,
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
    )
