"""The pipeline for the content of one result file: received parts are analyzed, hashed, compressed and written.

Digest, compression and writing are done in threads, without the interpreter's lock, while the event loop receives more. The
analysis needs that lock and would, in a thread, hold up the loop for longer: the loop does it in small portions, and leaves
only long lines to a thread.
"""

import hashlib
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator, Sequence
from contextlib import aclosing, suppress
from itertools import chain
from typing import Final, NamedTuple, TypeVar

import anyio
import anyio.to_thread
import msgspec
from anyio.streams.memory import MemoryObjectReceiveStream

from tracker.core.results.file_analysis import Analyzer, FileAnalysis
from tracker.results.compression import Compressor, Uncompressed
from tracker.results.locations.location import NewFile
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.task_groups import task_group

T = TypeVar("T")

BLOCK: Final = 1024 * 1024
"""Bytes, at least, that are handed to the threads."""

BLOCKS_WAITING: Final = 4
"""Of one file, at most. The threads process all waiting blocks at once, so they seldom wait for the loop or its lock."""

BLOCKS_AT_ONCE: Final = 10
"""Blocks of all files together that wait or are being processed."""

AT_ONCE: Final = 512 * 1024
"""The most bytes that are analyzed in one turn of the event loop."""

WITHIN: Final = 60.0
"""The time limit, in seconds, of one operation of the file system; one that takes longer is taken for hanging."""

CHECK_EVERY: Final = 64 * BLOCK
"""Bytes of content between two checks of the free space."""


class Received(msgspec.Struct, frozen=True):
    """Content that was received to its end. `sha256` is hexadecimal."""

    bytes: int
    sha256: str
    analysis: FileAnalysis


class TooLargeError(Exception):
    """The content is larger than it may be."""


class Destination(msgspec.Struct, frozen=True):
    """How a content is stored. `check_space` blocks, and raises `LocationError` if too little is free."""

    file: NewFile
    compressor: Compressor = Uncompressed()
    check_space: Callable[[], None] = lambda: None


class PipelineLimits(NamedTuple):
    """What the pipelines of many files share: threads, and the limit of blocks that wait or are being processed."""

    threads: anyio.CapacityLimiter
    blocks: anyio.Semaphore


def pipeline_limits(threads: int = 4, blocks: int = BLOCKS_AT_ONCE) -> PipelineLimits:
    return PipelineLimits(anyio.CapacityLimiter(threads), anyio.Semaphore(blocks))


class ContentPipeline:
    """Processes the content of one file."""

    def __init__(
        self,
        analyzer: Analyzer,
        limits: PipelineLimits,
        heartbeat: Heartbeat,
        *,
        destination: Destination | None = None,
        limit: int | None = None,
    ) -> None:
        """Without `destination` nothing is written. At most `limit` bytes are read; `heartbeat` is of the archiving loop."""
        self._analyzer = analyzer
        self._threads, self._free_blocks = limits
        self._held_blocks = 0
        self._heartbeat = heartbeat
        self._destination = destination
        self._limit = limit
        self._digest = hashlib.sha256()
        self._bytes = 0
        self._unended = 0  # bytes of the line that is not over
        self._checked_at = 0

    async def run(self, parts: AsyncIterable[bytes]) -> Received:
        """Process all `parts`. Raises their exceptions, `LocationError` and `TooLargeError`."""
        send, receive = anyio.create_memory_object_stream[Sequence[bytes]](BLOCKS_WAITING)
        try:
            async with receive, task_group() as group:
                group.start_soon(self._work_off, receive)
                async with send, aclosing(self._blocks(parts)) as blocks:
                    async for block in blocks:
                        await self._free_blocks.acquire()
                        self._held_blocks += 1
                        await send.send(block)
        finally:
            self._release(self._held_blocks)
        if self._destination:
            await self._in_thread(self._end, self._destination)
        analysis = await self._in_thread(self._analyzer.finish)
        return Received(self._bytes, self._digest.hexdigest(), analysis)

    async def _blocks(self, parts: AsyncIterable[bytes]) -> AsyncGenerator[Sequence[bytes], None]:
        """The received content, analyzed, in blocks."""
        block: list[bytes] = []
        size = 0
        async for part in parts:
            self._bytes += len(part)
            if self._limit is not None and self._bytes > self._limit:
                raise TooLargeError
            await self._analyze(part)
            block.append(part)
            size += len(part)
            if size >= BLOCK:
                yield block
                block, size = [], 0
        yield block

    async def _analyze(self, part: bytes) -> None:
        size = self._unended + len(part)
        ended = part.rfind(b"\n") + 1
        self._unended = len(part) - ended if ended else size
        if size <= AT_ONCE:
            self._analyzer.feed(part)
        else:
            await self._in_thread(self._analyzer.feed, part)

    async def _work_off(self, blocks: MemoryObjectReceiveStream[Sequence[bytes]]) -> None:
        async for first in blocks:
            together = [first, *_waiting(blocks)]
            await self._in_thread(self._work, together)
            self._release(len(together))

    def _work(self, blocks: Sequence[Sequence[bytes]]) -> None:
        content = b"".join(chain.from_iterable(blocks))  # few calls: after each of them the thread waits for the lock
        self._digest.update(content)
        if self._destination:
            self._compress(self._destination, content)

    def _release(self, blocks: int) -> None:
        self._held_blocks -= blocks
        for _ in range(blocks):
            self._free_blocks.release()

    def _compress(self, destination: Destination, content: bytes) -> None:
        self._write(destination, destination.compressor.compress(content))
        if self._bytes - self._checked_at >= CHECK_EVERY:
            self._checked_at = self._bytes
            destination.check_space()

    def _end(self, destination: Destination) -> None:
        self._write(destination, destination.compressor.flush())

    def _write(self, destination: Destination, data: bytes) -> None:
        if data:
            destination.file.write(data)

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        with self._heartbeat.waiting(WITHIN):
            return await anyio.to_thread.run_sync(work, *arguments, limiter=self._threads)


def _waiting(blocks: MemoryObjectReceiveStream[Sequence[bytes]]) -> Iterator[Sequence[bytes]]:
    """The blocks that are available already."""
    with suppress(anyio.WouldBlock, anyio.EndOfStream):
        while True:
            yield blocks.receive_nowait()
