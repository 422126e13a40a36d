"""Taking in a content: the same however it comes, in bounded memory, and over as soon as anything fails."""

import os
import threading

import anyio
import pytest
from files_api import content, sha256

from tracker.core.results.file_analysis import Analyzer
from tracker.results.compression import CorruptError, Decompressed, zstd
from tracker.results.content_pipeline import (
    AT_ONCE,
    BLOCK,
    CHECK_EVERY,
    ContentPipeline,
    Destination,
    TooLargeError,
    pipeline_limits,
)
from tracker.results.locations.location import LocationError
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.liveness import Loop

DATA = content(2000)


class Kept:
    """A `NewFile` that keeps what is written, or refuses it from some byte on."""

    def __init__(self, fails_at=None):
        self.data = bytearray()
        self._fails_at = fails_at

    def write(self, data):
        if self._fails_at is not None and len(self.data) + len(data) > self._fails_at:
            raise LocationError("full", full=True)
        self.data += data


async def parts_of(data, size):
    for at in range(0, len(data), size):
        yield data[at : at + size]


def pipeline(**changed):
    return ContentPipeline(
        Analyzer(), changed.pop("limits", pipeline_limits()), changed.pop("heartbeat", Heartbeat()), **changed
    )


@pytest.mark.parametrize("size", [1000, 65536, BLOCK * 2])
@pytest.mark.parametrize("compress", [True, False])
async def test_all_is_taken_in(size, compress):
    """Bytes, digest, lines and what is stored do not depend on the parts in which the content comes."""
    kept = Kept()
    destination = Destination(kept, zstd()) if compress else Destination(kept)
    received = await pipeline(destination=destination).run(parts_of(DATA * 8, size))
    assert (received.bytes, received.sha256, received.analysis.lines) == (len(DATA) * 8, sha256(DATA * 8), 16_000)
    stored = bytes(kept.data)
    assert (Decompressed(Stored(stored)).read(10**9) if compress else stored) == DATA * 8


class Stored:
    """A stored file in memory."""

    def __init__(self, data):
        self._data = data

    def read(self, size):
        read, self._data = self._data[:size], self._data[size:]
        return read

    def close(self):
        pass


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda data: data[:-1], id="cut"),
        pytest.param(lambda data: data[: len(data) // 2], id="half"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda data: data[:-1] + bytes([data[-1] ^ 1]), id="another checksum"),
        pytest.param(lambda data: b"no" + data, id="not compressed"),
        pytest.param(lambda data: data + b"more", id="more"),
    ],
)
def test_broken_file_is_found_out(broken):
    """A compressed file that is cut, changed or something else is not taken for a shorter content."""
    compressor = zstd()
    stored = compressor.compress(DATA) + compressor.flush()
    reader = Decompressed(Stored(broken(stored)))
    with pytest.raises(CorruptError):
        list(iter(lambda: reader.read(1000), b""))


def test_single_bit_is_found_out():
    """What does not compress is stored as it is, so that only its checksum shows a damaged byte."""
    compressor = zstd()
    stored = bytearray(compressor.compress(os.urandom(100_000)) + compressor.flush())
    stored[50_000] ^= 1
    reader = Decompressed(Stored(bytes(stored)))
    with pytest.raises(CorruptError):
        list(iter(lambda: reader.read(1000), b""))


def test_decompression_is_bounded():
    """Of a content that compresses well only a little more than is asked for is in memory at a time."""
    compressor = zstd()
    stored = b"".join(compressor.compress(bytes(BLOCK)) for _ in range(512)) + compressor.flush()
    reader = Decompressed(Stored(stored))
    size, most = 0, 0
    while part := reader.read(BLOCK):
        size += len(part)
        most = max(most, len(reader._content))
    assert size == 512 * BLOCK
    assert most < 48 * BLOCK


async def test_empty_content():
    """A content of nothing is stored as such."""
    kept = Kept()
    received = await pipeline(destination=Destination(kept, zstd())).run(parts_of(b"", 1))
    assert (received.bytes, received.analysis.lines) == (0, 0)
    assert Decompressed(Stored(bytes(kept.data))).read(10) == b""


async def test_limit():
    """A content of the limit is taken in; of a longer one no part beyond it is awaited."""
    assert (await pipeline(limit=len(DATA)).run(parts_of(DATA, 1000))).bytes == len(DATA)
    given = []

    async def endless():
        while True:
            given.append(DATA)
            yield DATA

    with pytest.raises(TooLargeError):
        await pipeline(limit=len(DATA) * 10).run(endless())
    assert len(given) == 11


@pytest.mark.parametrize("fails_at", [0, BLOCK, 3 * BLOCK])
async def test_store_that_fails_ends_it(fails_at):
    """The error of writing is raised as such, and no further part is awaited, however many there are."""

    async def endless():
        while True:
            yield DATA

    with anyio.fail_after(30), pytest.raises(LocationError):
        await pipeline(destination=Destination(Kept(fails_at))).run(endless())


async def test_source_that_fails_ends_it():
    """The error of the content is raised as such, and nothing waits for its end."""

    async def cut():
        yield DATA
        raise RuntimeError("cut")

    with anyio.fail_after(30), pytest.raises(RuntimeError, match="cut"):
        await pipeline(destination=Destination(Kept())).run(cut())


async def test_blocks_are_given_back():
    """However a content ends, the next one has as many blocks as before."""
    limits = pipeline_limits(blocks=2)

    async def cut():
        for _ in range(20):
            yield DATA
        raise RuntimeError("cut")

    for _ in range(3):
        with pytest.raises(RuntimeError):
            await pipeline(limits=limits, destination=Destination(Kept())).run(cut())
        with pytest.raises(LocationError):
            await pipeline(limits=limits, destination=Destination(Kept(fails_at=BLOCK))).run(parts_of(DATA * 20, 65536))
        with anyio.move_on_after(0.01):
            await pipeline(limits=limits, destination=Destination(Kept())).run(parts_of(DATA * 50, 65536))
        assert limits.blocks.value == 2
    assert (await pipeline(limits=limits).run(parts_of(DATA * 20, 65536))).bytes == len(DATA) * 20


async def test_blocks_of_all_files_are_bounded():
    """While the disk takes nothing, the blocks of all files that are in memory are no more than allowed, but for one each."""
    limits, disk, taken = pipeline_limits(blocks=5), threading.Event(), 0

    class Stalled(Kept):
        def write(self, data):
            disk.wait(30)
            super().write(data)

    async def endless():
        nonlocal taken
        for _ in range(50):
            taken += 1
            yield bytes(BLOCK)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(pipeline(limits=limits, destination=Destination(Stalled())).run, endless())
        with anyio.move_on_after(0.5):  # a pipeline that takes more does so by then
            await anyio.sleep_forever()
        assert taken <= 5 + 3 + 3
        disk.set()
    assert taken == 150


async def test_free_space_is_checked_on_the_way():
    """While a large content is written the free space is looked at again and again."""
    looks = []
    part = bytes(BLOCK)
    destination = Destination(Kept(), check_space=lambda: looks.append(1))

    async def parts():
        for _ in range(3 * CHECK_EVERY // BLOCK):
            yield part

    received = await pipeline(destination=destination).run(parts())
    assert received.bytes == 3 * CHECK_EVERY
    assert len(looks) >= 2


async def test_long_lines_are_not_read_in_the_loop(monkeypatch):
    """A line that takes long to read is read in a thread: all that the loop reads at a time is a bounded piece."""
    sizes, threads = [], set()
    feed = Analyzer.feed

    def watched(self, chunk):
        if threading.current_thread() is threading.main_thread():
            sizes.append(len(chunk))
        else:
            threads.add(threading.current_thread().name)
        feed(self, chunk)

    monkeypatch.setattr(Analyzer, "feed", watched)
    await pipeline().run(parts_of(DATA + b'{"custom_id":"' + b"x" * (4 * AT_ONCE) + b'"}\n' + DATA, 65536))
    assert max(sizes) <= AT_ONCE
    assert sum(sizes) < len(DATA) * 2 + AT_ONCE + 65536 * 2
    assert threads


async def test_file_system_that_hangs_is_announced():
    """What the file system is asked for is announced to the watchdog, with a bound."""
    loop, waits = Loop(), []
    announce = loop.wait
    loop.wait = lambda now, seconds: waits.append(seconds) or announce(now, seconds)
    await pipeline(heartbeat=Heartbeat(loop), destination=Destination(Kept())).run(parts_of(DATA, 1000))
    assert waits
    assert not loop._waits
