"""Requests that no client would send, to the real command: each is answered or cut off, and costs next to nothing."""

import json
import random
import signal
from contextlib import suppress

import anyio
import pytest
from loopback import GONE
from proc import memory
from requesting import request
from tracking import Installation, simulated

from tracker.daemon.control.control_file import control_file_path

UNAVAILABLE = (503,)
"""What may be answered beyond 499: not ready, or too many streams."""


async def status_of(address, sent: bytes, more: bytes = b"", *, who: int = 1) -> int | None:
    """What the first line of the answer says; None where there is none. `more` is sent until the other side has enough.

    `who` asks: each address may send a wrong token a few times only.
    """
    said = b""
    with suppress(*GONE, OSError), anyio.fail_after(60):
        async with await anyio.connect_tcp(*address, local_host=f"127.0.{who >> 8}.{who & 255}") as stream:
            with suppress(*GONE):
                await stream.send(sent)
                sent_more = 0
                while more:
                    await stream.send(more)
                    sent_more += len(more)
                    assert sent_more < 128 * 1024 * 1024, "it reads what it has no use for"
                await stream.send_eof()
            while b"\r\n" not in said:
                said += await stream.receive()
    return int(said[9:12]) if said.startswith(b"HTTP/1.1 ") else None


def address_of(daemon) -> tuple[str, int]:
    host, _, port = daemon.url.removeprefix("http://").rpartition(":")
    return host, int(port)


async def attacked(folder, requests: int, seed: int) -> dict[int | None, int]:
    """How many of the requests got each status."""
    chance, answers = random.Random(seed), {}
    async with simulated(jobs=20, speed=60.0) as simulator:
        installation = Installation(folder, simulator.url)
        with installation.config.open("a") as config:
            config.write(f'[[receivers]]\nname = "pipeline"\nkind = "webhook"\nurl = "{simulator.url}/hook"\nevents = ["*"]\n')
        async with installation.running() as daemon:
            await installation.wait_for_events(lambda events: len(events) > 20)
            token = json.loads(control_file_path(installation.database).read_bytes())["token"]
            address, before = address_of(daemon), memory(daemon.process.pid, "VmRSS")
            pending = enumerate([request(chance, token) for _ in range(requests)], 256)

            async def attack():
                for number, sent in pending:
                    status = await status_of(address, sent, who=number % 65_000)
                    answers[status] = answers.get(status, 0) + 1
                    assert status is None or status < 500 or status in UNAVAILABLE, (status, sent)

            async with anyio.create_task_group() as group:
                for _ in range(8):
                    group.start_soon(attack)
            head = f"POST /api/replay HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n"
            head += "content-type: application/json\r\n"
            for length in ("content-length: 1073741824", "transfer-encoding: chunked"):
                sent = f"{head}{length}\r\n\r\n".encode()
                assert await status_of(address, sent, b"100000\r\n%s\r\n" % bytes(1 << 20)) in (413, None)
            assert await status_of(address, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n") == 200
            assert memory(daemon.process.pid, "VmHWM") - before < 64 * 1024 * 1024
            assert await daemon.stop(signal.SIGTERM) == 0
    assert [line for line in daemon.lines if "exception" in line] == []
    problems = [
        line for line in daemon.lines if line["level"] in ("warning", "error") and not line["event"].startswith("batch.")
    ]
    assert len(problems) < 20, "no client fills the log"
    return answers


async def test_requests_that_no_client_would_send(tmp_path):
    """None gets a 5xx, a traceback or more memory; the daemon goes on, and its log stays short."""
    answers = await attacked(tmp_path, 200, seed=4)
    assert sum(answers.values()) == 200
    assert answers.keys() >= {200, 400, 401, 403, 404, 405, 415, 422}, "they get into every corner"


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_many_requests_that_no_client_would_send(tmp_path):
    """The same with twenty thousand."""
    answers = await attacked(tmp_path, 20_000, seed=20)
    print(f"answered {dict(sorted(answers.items(), key=str))}")  # noqa: T201 - the figures of a long run
