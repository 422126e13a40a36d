"""Owns /healthz, /readyz and /metrics: whether the daemon lives, whether it is ready, and what it counts."""

from typing import Literal

import msgspec
from starlette.responses import Response

from tracker.core.event import iso
from tracker.core.failure import Reason
from tracker.core.health import AccountHealth
from tracker.web.metrics import Exposition
from tracker.web.operation import Answer, Operation, json_response
from tracker.web.tracker import Tracker


class Accepted(msgspec.Struct, frozen=True):
    """What whoever scrapes understands."""

    accept_encoding: str = msgspec.field(default="", name="accept-encoding")


class Alive(msgspec.Struct, frozen=True):
    """The process lives and answers."""

    status: Literal["ok"] = "ok"


class AccountState(msgspec.Struct, frozen=True):
    """When an account was last swept whole, and what the last sweep failed of, if it did."""

    last_good_sweep: str | None
    failure: Reason | None


class Readiness(msgspec.Struct, frozen=True):
    """Whether the log can be written and every account was swept or is known to fail; why not."""

    status: Literal["ready", "not ready"]
    reasons: list[str]
    accounts: dict[str, AccountState]


def operations(tracker: Tracker) -> list[Operation]:
    async def healthz() -> Response:
        return json_response(Alive())

    async def readyz() -> Response:
        health = tracker.health
        health.storage_error = await tracker.probe()
        reasons = health.not_ready_because()
        accounts = {name: _account(state) for name, state in health.accounts.items()}
        answer = json_response(Readiness("not ready" if reasons else "ready", reasons, accounts))
        answer.status_code = 503 if reasons else 200
        return answer

    exposition = Exposition(tracker.metrics)

    async def metrics(headers: Accepted) -> Response:
        return await exposition.answer(headers.accept_encoding)

    ready, not_ready = Answer(Readiness, "It is ready"), Answer(Readiness, "It is not ready")
    text = Answer({"type": "string"}, "Prometheus's text format", "text/plain")
    return [
        Operation("GET", "/healthz", "healthz", healthz, Answer(Alive, "The process lives")),
        Operation("GET", "/readyz", "readyz", readyz, ready, otherwise={503: not_ready}),
        Operation("GET", "/metrics", "metrics", metrics, text, {"header": Accepted}),
    ]


def _account(state: AccountHealth) -> AccountState:
    swept_at = None if state.swept_at is None else iso(state.swept_at)
    return AccountState(swept_at, None if state.failure is None else state.failure.reason)
