"""Owns the routes: liveness, readiness, metrics, and an index that says what runs here."""

from collections.abc import Awaitable, Callable, Sequence
from hmac import compare_digest
from html import escape

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from tracker import __version__
from tracker.core.event import iso
from tracker.core.health import Health
from tracker.web.metrics import Exposition

SAFE = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_INDEX = """<!doctype html><html lang="en"><meta charset="utf-8"><title>batch-tracker</title>
<style>body{{font:16px/1.6 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}}
:root{{color-scheme:light dark}}td,th{{text-align:left;padding:.2rem 1.5rem .2rem 0}}</style>
<h1>batch-tracker {version}</h1>
<table><tr><th>account<th>last good sweep<th>state</tr>{rows}</table>
<p><a href="/healthz">/healthz</a> · <a href="/readyz">/readyz</a> · <a href="/metrics">/metrics</a></p></html>"""


def create_app(
    health: Health,
    probe: Callable[[], Awaitable[str | None]],
    metrics: Callable[[], bytes],
    token: str | None = None,
    control: Sequence[BaseRoute] = (),
) -> Starlette:
    """The application; `probe` tries the store and says what is wrong with it, `metrics` renders them, in a thread.

    With a `token` whoever asks for more than /healthz has to send it: `Authorization: Bearer TOKEN`. The routes of `control`,
    under /control/, have one of their own.
    """
    exposition = Exposition(metrics)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "ok"}, headers=SAFE)

    async def readyz(_: Request) -> Response:
        health.storage_error = await probe()
        reasons = health.not_ready_because()
        accounts = {
            name: {
                "last_good_sweep": None if state.swept_at is None else iso(state.swept_at),
                "failure": None if state.failure is None else state.failure.reason,
            }
            for name, state in health.accounts.items()
        }
        body = {"status": "not ready" if reasons else "ready", "reasons": reasons, "accounts": accounts}
        return JSONResponse(body, status_code=503 if reasons else 200, headers=SAFE)

    async def metrics_page(request: Request) -> Response:
        return await exposition.answer(request, SAFE)

    async def index(_: Request) -> Response:
        return HTMLResponse(_INDEX.format(version=__version__, rows=_rows(health)), headers=SAFE)

    return Starlette(
        routes=[
            Route("/", index),
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics_page),
            *control,
        ],
        middleware=[Middleware(_TokenRequired, token=token)] if token else [],
    )


class _TokenRequired:
    """Answers 401 to whoever does not send the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sent = dict(scope.get("headers", ())).get(b"authorization", b"")
        if scope["path"] == "/healthz" or scope["path"].startswith("/control/") or compare_digest(sent, self._expected):
            await self._app(scope, receive, send)
            return
        headers = {**SAFE, "www-authenticate": "Bearer"}
        await PlainTextResponse("401: send the token, as Authorization: Bearer TOKEN\n", 401, headers)(scope, receive, send)


def _rows(health: Health) -> str:
    return "".join(
        f"<tr><td>{escape(name)}<td>{'never' if state.swept_at is None else iso(state.swept_at)}"
        f"<td>{escape(state.failure.reason) if state.failure else 'ok'}</tr>"
        for name, state in health.accounts.items()
    )
