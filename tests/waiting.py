"""Owns waiting for what sets no event: the state of another process, a count, what a thread has done."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeVar

import anyio
import httpx

T = TypeVar("T")

HANG = 60.0
"""Seconds after which what is waited for does not come any more, however slow the machine."""

EVERY = 0.01
"""Seconds between two looks."""


async def until(condition: Callable[[], T | Awaitable[T]], seconds: float = HANG, every: float = EVERY) -> T:
    """The value of `condition()`, which is awaited where it can be, once it is true; `TimeoutError` after `seconds`."""
    with anyio.fail_after(seconds):
        while True:
            found = condition()
            value = await found if isawaitable(found) else found
            if value:
                return value
            await anyio.sleep(every)


async def until_ready(client: httpx.AsyncClient) -> None:
    """Return once the daemon that `client` sends requests to is ready."""

    async def is_ready() -> bool:
        return (await client.get("/readyz")).status_code == httpx.codes.OK

    await until(is_ready, every=0.02)
