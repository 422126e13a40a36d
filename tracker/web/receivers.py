"""Owns /api/receivers and /api/accounts: how each of them is, as the configuration, the daemon and the log have it."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response

from tracker.config import Account as ConfiguredAccount
from tracker.config import Receiver as ConfiguredReceiver
from tracker.core.circuit import Circuit
from tracker.core.event import iso
from tracker.core.failure import Reason
from tracker.core.health import AccountHealth
from tracker.core.pages import Backlog
from tracker.core.replay import unknown_receiver
from tracker.web.asked import Text
from tracker.web.deliveries import Nothing
from tracker.web.operation import Answer, Operation, Takes, json_response
from tracker.web.problems import Refusal
from tracker.web.tracker import Tracker


class Receiver(msgspec.Struct, frozen=True, kw_only=True):
    """How a receiver is. `failures` are those in a row, since `since`; before `quiet_until` nothing is sent."""

    name: str
    kind: Literal["webhook", "slack"]
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


class Receivers(msgspec.Struct, frozen=True, kw_only=True):
    """Every receiver of the configuration."""

    object: Literal["list"] = "list"
    data: list[Receiver]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """How an account is: `up` is null until it was swept. `jobs` counts by status; "deleted" is one."""

    name: str
    up: bool | None
    reason: Reason | None
    detail: str | None
    failing_since: str | None
    last_good_sweep: str | None
    poll_interval: Annotated[float, Meta(description="Seconds")]
    requests_per_second: float
    jobs: dict[str, int]


class Accounts(msgspec.Struct, frozen=True, kw_only=True):
    """Every account of the configuration."""

    object: Literal["list"] = "list"
    data: list[Account]


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
            found = [
                receiver_state(each, circuits.get(each.name, Circuit()), await reader.backlog(each.name))
                for each in tracker.config.receivers
            ]
        return json_response(Receivers(data=found))

    async def enable(path: ReceiverPath, _: Nothing) -> Response:
        known = [receiver.name for receiver in tracker.config.receivers]
        if path.name not in known:
            raise Refusal(404, unknown_receiver(path.name, known))
        return json_response(Enabled(await tracker.enable(path.name)))

    async def accounts() -> Response:
        async with tracker.reader() as reader:
            counts = await reader.job_counts()
        healths = tracker.health.accounts
        found = [
            account_state(each, healths.get(each.name, AccountHealth()), dict(counts.get(each.name, {})))
            for each in tracker.config.accounts
        ]
        return json_response(Accounts(data=found))

    enabled = Answer(Enabled, "It is tried again at once")
    takes: Takes = {"path": ReceiverPath, "body": Nothing}
    return [
        Operation("GET", "/api/receivers", "receivers", receivers, Answer(Receivers, "The receivers")),
        Operation("POST", "/api/receivers/{name}/enable", "enable", enable, enabled, takes, (404,)),
        Operation("GET", "/api/accounts", "accounts", accounts, Answer(Accounts, "The accounts")),
    ]


def receiver_state(receiver: ConfiguredReceiver, circuit: Circuit, backlog: Backlog) -> Receiver:
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
        poll_interval=account.poll_interval,
        requests_per_second=account.requests_per_second,
        jobs=jobs,
    )
