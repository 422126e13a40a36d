"""The shutdown of the daemon: its order, and how long each step may take.

SIGTERM or SIGINT (`signals.py`) ends the context of `startup.py`. First the workers stop, within `WORKERS_STOP_WITHIN`; then
the last traces are exported, if any are, within a second (`tracing/exporter.py`), streams end, the control file is removed, and
the web server stops within `REQUESTS_END_WITHIN`. What is left is cancelled.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import anyio
import msgspec

from tracker.daemon.workers.registry import WorkerRegistry
from tracker.server.connection_limits import ConnectionLimits

WORKERS_STOP_WITHIN: Final = 2.0
"""Seconds that attempts under way get; what is not settled by then, the next daemon sends again."""

REQUESTS_END_WITHIN: Final = 1.0
"""Seconds that requests to the API and the pages get."""


async def stop_workers(workers: Sequence[WorkerRegistry[Any, Any]], awaited: Iterable[WorkerRegistry[Any, Any]]) -> None:
    """Stop all `workers`, and wait until those in `awaited` have ended, if that does not take long."""
    for registry in workers:
        registry.assign({})
    with anyio.move_on_after(WORKERS_STOP_WITHIN):
        for registry in awaited:
            await registry.wait_all_stopped()


def with_shutdown_limit(limits: ConnectionLimits) -> ConnectionLimits:
    """The limits of a web server that stops within `REQUESTS_END_WITHIN`."""
    return msgspec.structs.replace(limits, shutdown_grace=REQUESTS_END_WITHIN)
