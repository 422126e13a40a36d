"""Owns reading an archived file: its content as the API gave it, in bounded memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import anyio
import anyio.to_thread

from tracker.results.compression import content_of
from tracker.results.locations.location import Location, Readable

AT_ONCE: Final = 256 * 1024
"""Bytes."""


@asynccontextmanager
async def open_archived(place: Location, location: str, threads: anyio.CapacityLimiter) -> AsyncIterator[AsyncIterator[bytes]]:
    """The content of the file at `location`, in parts. Opening and reading raise `LocationError` and `CorruptError`."""
    stored = await anyio.to_thread.run_sync(place.open, location, limiter=threads)
    try:
        yield _parts(content_of(stored, location), threads)
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(stored.close)


async def _parts(content: Readable, threads: anyio.CapacityLimiter) -> AsyncIterator[bytes]:
    while part := await anyio.to_thread.run_sync(content.read, AT_ONCE, limiter=threads):
        yield part
