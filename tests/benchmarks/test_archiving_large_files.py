"""What archiving a large result file costs, beside `curl | tee | sha256sum` of the same file to the same disk."""

import json
import os
import random
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from files_api import line

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

_HERE = Path(__file__).parent
_MB = 1_000_000


@pytest.mark.parametrize(("size", "runs"), [(30, 1), pytest.param(500, 3, marks=[pytest.mark.long, pytest.mark.timeout(600)])])
async def test_archiving(compare, count, tmp_path, size, runs):
    """It keeps pace with curl, in bounded memory, and no turn of the loop is long; compressing costs what zstd costs."""
    times, kilobytes = compare(f"archive a file of {size} MB"), count(f"archive a file of {size} MB: kB")
    turns = compare(f"archive a file of {size} MB: CPU")
    kilobytes.record("target", 64_000)
    turns.record("target: a turn of the loop", 0.02)
    file = write_lines(tmp_path / "file.jsonl", size * _MB)
    watched = []
    async with served(file) as url:
        for _ in range(runs):
            times.record("curl | tee | sha256sum, and sync", await curl(url, tmp_path / "copy.jsonl"))
            for compress in ("no", "yes"):
                way = f"FileArchiver, compressed: {compress}"
                done = await archive(url, tmp_path / "archive", compress)
                times.record(way, done["seconds"])
                kilobytes.record(way, done["kilobytes"])
            watched.append((await archive(url, tmp_path / "archive", "yes", "watched"))["turn_cpu"])
    turns.record("the longest turn of the loop", min(watched))  # a virtual machine that is not run has long turns too
    assert kilobytes.of("FileArchiver, compressed: yes") < 64_000
    assert kilobytes.of("FileArchiver, compressed: no") < 64_000
    assert turns.median("the longest turn of the loop") < 0.02
    gross = 1 / 0.7 if size >= 500 else 10  # a small file is over before other load is fair to both
    assert times.ratio("FileArchiver, compressed: no", "curl | tee | sha256sum, and sync") < gross
    assert times.ratio("FileArchiver, compressed: yes", "curl | tee | sha256sum, and sync") < gross


async def curl(url, copy):
    """Seconds of the peer: what a person would type to keep a file and know its digest."""
    command = f"set -e; curl -sf {url}/v1/files/file-1/content | tee {copy} | sha256sum; sync {copy}"
    began = time.perf_counter()
    await anyio.run_process(["bash", "-c", command])
    seconds = time.perf_counter() - began
    copy.unlink()
    return seconds


async def archive(url, folder, *options):
    """What archiving the file in a process of its own cost."""
    environment = os.environ | {"PYTHONPATH": str(_HERE.parent)}
    command = [sys.executable, str(_HERE / "archive_client.py"), url, str(folder), *options]
    done = await anyio.run_process(command, env=environment)
    (stored,) = (path for path in folder.rglob("*.jsonl*") if path.is_file())
    stored.unlink()
    return json.loads(done.stdout)


@asynccontextmanager
async def served(file):
    """The URL of a files API that has the file."""
    command = [sys.executable, str(_HERE / "file_server.py"), str(file)]
    async with await anyio.open_process(command, stderr=None) as process:
        try:
            yield f"http://127.0.0.1:{int(await process.stdout.receive())}"
        finally:
            process.kill()


def write_lines(path, size):
    """A file of `size` bytes of result lines, of some 2 kB each, whose text compresses as language does."""
    rng = random.Random(7)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(5000)]
    texts = [" ".join(rng.choices(words, k=rng.randint(50, 600))) for _ in range(1000)]
    lines = [line(number).replace("canary-content-5e1f", text).encode() + b"\n" for number, text in enumerate(texts)]
    with path.open("wb") as file:
        written = 0
        while written < size:
            written += file.write(rng.choice(lines))
    return path
