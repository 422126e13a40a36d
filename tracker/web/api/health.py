"""Owns /healthz, /readyz and /metrics: whether the daemon lives, whether it is ready, and what it counts."""

from math import inf
from typing import Final, Literal

import anyio
import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from tracker.core.errors.provider_failure import Reason
from tracker.core.events.event import iso
from tracker.core.reconciliation.account_health import AccountHealth
from tracker.web.api.metrics import Exposition
from tracker.web.daemon_interface import Tracker
from tracker.web.endpoints.endpoint import Answer, Operation, json_response

FRESH: Final = 1.0
"""Seconds for which requests without a token get the result of the last probe of the store: each probe costs a commit."""


class Accepted(msgspec.Struct, frozen=True):
    """Which encodings the scraper accepts."""

    accept_encoding: str = msgspec.field(default="", name="accept-encoding")


class Alive(msgspec.Struct, frozen=True):
    """The process lives and answers."""

    status: Literal["ok"] = "ok"


class Caller(msgspec.Struct, frozen=True):
    """Whether the sender may read everything."""

    may_read: bool


class AccountState(msgspec.Struct, frozen=True):
    """When an account was last swept whole, and what the last sweep failed of, if it did."""

    last_good_sweep: str | None
    failure: Reason | None


class Readiness(msgspec.Struct, frozen=True):
    """Whether the log can be written and every account was swept or is known to fail; why not, for those who may read."""

    status: Literal["ready", "not ready"]
    reasons: list[str] | UnsetType = UNSET
    accounts: dict[str, AccountState] | UnsetType = UNSET


class StoreProbe:
    """Probes the store, which costs a commit: one probe at a time, however many requests wait for it."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._alone = anyio.Lock()
        self._ended_at = -inf

    async def run(self, not_within: float) -> None:
        """Probe the store, unless the last probe ended less than `not_within` seconds ago."""
        async with self._alone:
            if anyio.current_time() - self._ended_at >= not_within:
                self._tracker.health.storage_error = await self._tracker.probe()
                self._ended_at = anyio.current_time()


def operations(tracker: Tracker) -> list[Operation]:
    async def healthz() -> Response:
        return json_response(Alive())

    store_probe = StoreProbe(tracker)

    async def readyz(caller: Caller) -> Response:
        health = tracker.health
        await store_probe.run(not_within=0.0 if caller.may_read else FRESH)
        reasons = health.not_ready_because()
        found = Readiness("not ready" if reasons else "ready")
        if caller.may_read:
            accounts = {name: _account(state) for name, state in health.accounts.items()}
            found = Readiness(found.status, reasons, accounts)
        answer = json_response(found)
        answer.status_code = 503 if reasons else 200
        return answer

    exposition = Exposition(tracker.metrics)

    async def metrics(headers: Accepted) -> Response:
        return await exposition.answer(headers.accept_encoding)

    ready, not_ready = Answer(Readiness, "It is ready"), Answer(Readiness, "It is not ready")
    text = Answer({"type": "string"}, "Prometheus's text format", "text/plain")
    return [
        Operation("GET", "/healthz", "healthz", healthz, Answer(Alive, "The process lives")),
        Operation("GET", "/readyz", "readyz", readyz, ready, {"caller": Caller}, otherwise={503: not_ready}),
        Operation("GET", "/metrics", "metrics", metrics, text, {"header": Accepted}),
    ]


def _account(state: AccountHealth) -> AccountState:
    swept_at = None if state.swept_at is None else iso(state.swept_at)
    return AccountState(swept_at, None if state.failure is None else state.failure.reason)
