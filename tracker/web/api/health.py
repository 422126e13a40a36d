"""Owns /healthz, /readyz and /metrics: liveness, readiness and metrics of the daemon."""

from math import inf
from typing import Annotated, Final, Literal

import anyio
import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from tracker.core.errors.provider_failure import Reason
from tracker.core.events.event import iso
from tracker.core.health.readiness import AccountHealth
from tracker.web.api.metrics import SingleFlightExposition
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints.endpoint import Endpoint, ResponseSpec, json_response

FRESH: Final = 1.0
"""Seconds for which requests without a token get the result of the last probe of the store: each probe costs a commit."""


class Accepted(msgspec.Struct, frozen=True):
    """Which formats and encodings the scraper accepts."""

    accept: Annotated[str, Meta(description="`application/openmetrics-text` for OpenMetrics")] = ""

    accept_encoding: Annotated[str, Meta(description="`gzip` for a compressed answer")] = msgspec.field(
        default="", name="accept-encoding"
    )


class Alive(msgspec.Struct, frozen=True):
    """The process is alive."""

    status: Literal["ok"] = "ok"


class ReadAccess(msgspec.Struct, frozen=True):
    """Whether the client has read access."""

    may_read: bool


class AccountState(msgspec.Struct, frozen=True):
    """When an account was last swept whole, and the failure of the last sweep, if it failed."""

    last_good_sweep: str | None
    failure: Reason | None


class Readiness(msgspec.Struct, frozen=True):
    """Whether the log can be written and the start is complete; reasons only with read access."""

    status: Literal["ready", "not ready"]
    reasons: list[str] | UnsetType = UNSET
    accounts: dict[str, AccountState] | UnsetType = UNSET


class StoreProbe:
    """Probes the store, which costs a commit: one probe at a time, however many requests wait for it."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._alone = anyio.Lock()
        self._ended_at = -inf

    async def run(self, not_within: float) -> None:
        """Probe the store, unless the last probe ended less than `not_within` seconds ago."""
        async with self._alone:
            if anyio.current_time() - self._ended_at >= not_within:
                self._daemon.health.storage_error = await self._daemon.probe()
                self._ended_at = anyio.current_time()


def endpoints(daemon: Daemon) -> list[Endpoint]:
    async def healthz() -> Response:
        return json_response(Alive())

    store_probe = StoreProbe(daemon)

    async def readyz(caller: ReadAccess) -> Response:
        health = daemon.health
        await store_probe.run(not_within=0.0 if caller.may_read else FRESH)
        reasons = health.not_ready_because()
        found = Readiness("not ready" if reasons else "ready")
        if caller.may_read:
            accounts = {name: _account(state) for name, state in health.accounts.items()}
            found = Readiness(found.status, reasons, accounts)
        answer = json_response(found)
        answer.status_code = 503 if reasons else 200
        return answer

    exposition = SingleFlightExposition(daemon.metrics)

    async def metrics(headers: Accepted) -> Response:
        return await exposition.answer(headers.accept_encoding, headers.accept)

    ready, not_ready = ResponseSpec(Readiness, "It is ready"), ResponseSpec(Readiness, "It is not ready")
    text = ResponseSpec(
        {"type": "string"},
        "Prometheus's text format; OpenMetrics 1.0 with exemplars, where `Accept` asks for it",
        "text/plain",
        ("application/openmetrics-text",),
    )
    return [
        Endpoint("GET", "/healthz", "healthz", healthz, ResponseSpec(Alive, "The process lives")),
        Endpoint("GET", "/readyz", "readyz", readyz, ready, {"caller": ReadAccess}, other_answers={503: not_ready}),
        Endpoint("GET", "/metrics", "metrics", metrics, text, {"header": Accepted}),
    ]


def _account(state: AccountHealth) -> AccountState:
    swept_at = None if state.swept_at is None else iso(state.swept_at)
    return AccountState(swept_at, None if state.failure is None else state.failure.reason)
