"""Owns ending a response whose client has gone."""

import anyio
from starlette.types import Receive


async def cancel_on_disconnect(receive: Receive, responding: anyio.CancelScope) -> None:
    """Cancel `responding` once the client has disconnected; it needs a task of its own."""
    while (await receive())["type"] != "http.disconnect":
        pass
    responding.cancel()
