"""Owns the page at /: what runs here, until there is more to see."""

from html import escape
from typing import Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tracker import __version__
from tracker.core.event import iso
from tracker.core.health import Health
from tracker.web.static import Static
from tracker.web.tracker import Tracker

_INDEX: Final = """<!doctype html><html lang="en"><meta charset="utf-8"><title>batch-tracker</title>
<meta name="color-scheme" content="light dark">
<h1>batch-tracker {version}</h1>
<table><tr><th>account<th>last good sweep<th>state</tr>{rows}</table>
<p><a href="/healthz">/healthz</a> · <a href="/readyz">/readyz</a> · <a href="/metrics">/metrics</a></p></html>"""


def page_routes(tracker: Tracker, _: Static) -> list[Route]:
    async def index(_: Request) -> Response:
        return HTMLResponse(_INDEX.format(version=__version__, rows=_rows(tracker.health)))

    return [Route("/", index)]


def _rows(health: Health) -> str:
    return "".join(
        f"<tr><td>{escape(name)}<td>{'never' if state.swept_at is None else iso(state.swept_at)}"
        f"<td>{escape(state.failure.reason) if state.failure else 'ok'}</tr>"
        for name, state in health.accounts.items()
    )
