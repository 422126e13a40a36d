"""Owns the end of a long-running command by a signal: it cleans up, and exits with the status of the signal."""

import signal
from collections.abc import Awaitable, Callable

import anyio

from tracker.runtime.task_groups import task_group


async def until_signal(work: Callable[[], Awaitable[None]]) -> int:
    """Run `work` until it ends, status 0, or until SIGINT or SIGTERM, status 128 plus the signal's number."""
    caught = 0
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async with task_group() as group:

            async def listen() -> None:
                nonlocal caught
                async for number in signals:
                    caught = 128 + number
                    group.cancel_scope.cancel()
                    return

            group.start_soon(listen)
            await work()
            group.cancel_scope.cancel()
    return caught
