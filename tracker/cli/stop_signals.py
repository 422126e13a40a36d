"""Owns the end of a command by a signal: it cleans up, and exits with the status of the signal."""

import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager


async def until_signal(work: Callable[[], Awaitable[None]]) -> int:
    """Run `work` until it ends, status 0, or until SIGINT or SIGTERM, status 128 plus the signal's number."""
    import anyio  # noqa: PLC0415 - a command without an event loop does not load one

    from tracker.runtime.task_groups import task_group  # noqa: PLC0415 - as above

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


@contextmanager
def exit_at_signals() -> Iterator[None]:
    """Within it the process exits at SIGINT or SIGTERM with the same status: for a command that has no event loop."""
    before = {number: signal.signal(number, _exit) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(number: int, _frame: object) -> None:
    sys.exit(128 + number)
