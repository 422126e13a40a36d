"""What those cost who follow the stream: a hundred beside one."""

import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream
from job_changes import seen_many
from web_application import served_application

from tracker.store.sqlite.reading.reader import SqliteReader

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

AT_ONCE = 20
"""Events of a commit."""

_READERS = Path(__file__).parent / "readers.py"


@pytest.mark.parametrize(("commits", "runs"), [(10, 1), pytest.param(100, 5, marks=pytest.mark.long)])
async def test_streaming(compare, count, tmp_path, monkeypatch, commits, runs):
    """A hundred cost no query more than one does, and CPU by the bytes that they are sent: less for each than the one costs."""
    events = commits * AT_ONCE
    cpu, queries = compare(f"stream of {events:,} events: CPU", time.process_time), count(f"queries for {events:,} events")
    sent, asked = count(f"bytes of {events:,} events"), []
    look = SqliteReader._before_query
    monkeypatch.setattr(SqliteReader, "_before_query", lambda self: asked.append(1) or look(self))
    for run in range(runs):
        for readers in (1, 100):
            way = f"{readers} who read"
            async with served_application(tmp_path / f"{run}-{readers}.db") as app, reading(app, readers, events) as total:
                asked.clear()
                with cpu.time(way):
                    for number in range(commits):
                        await app.store.record("one", seen_many(AT_ONCE, f"job-{number}"))
                    sent.record(way, await total())
                queries.record(way, len(asked))
    assert queries.of("100 who read") <= queries.of("1 who read") + commits
    assert sent.of("100 who read") == pytest.approx(100 * sent.of("1 who read"), rel=0.01)  # pieces differ
    assert cpu.ratio("100 who read", "1 who read") < 30


@asynccontextmanager
async def reading(app, readers, events):
    """Connected `readers`, in another process; what is given waits until all have read all, and returns their bytes."""
    command = [
        sys.executable,
        str(Path(__file__).parent / "readers.py"),
        *map(str, (app.client.base_url.port, readers, events)),
    ]
    async with await anyio.open_process(command, stderr=None) as process:
        said = BufferedByteReceiveStream(process.stdout)
        assert await said.receive_until(b"\n", 100) == b"connected"

        async def total():
            return int(await said.receive_until(b"\n", 100))

        try:
            yield total
        finally:
            process.kill()
