"""An API that answers with whatever it likes: what is no answer, and jobs that are strange and yet jobs."""

import gzip
import json
import random
from typing import NamedTuple

from loopback import Loopback, Scene, answer, drips, hangs, head_of, request_of, resets, sends

LIMIT = 16 * 1024 * 1024
"""Bytes of an answer that are read at most."""

JOB = {
    "object": "batch", "input_files": [], "endpoint": "/v1/chat/completions", "model": "m", "metadata": {}, "status": "RUNNING",
    "created_at": 1_795_000_000, "total_requests": 3, "completed_requests": 1, "succeeded_requests": 1, "failed_requests": 0,
}  # fmt: skip


class Case(NamedTuple):
    """What is answered to every request, and a part of what the log says of it."""

    scene: Scene
    logged: str


def says(body: bytes, *headers: str, status: int = 200) -> Scene:
    return sends(answer(body, status, *headers))


def page(*jobs, total=1) -> bytes:
    return json.dumps({"object": "list", "total": total, "data": jobs}).encode()


def job(id_, **properties) -> dict:
    return {"id": id_} | JOB | properties


def endless(head: bytes, chunk: bytes) -> Scene:
    async def scene(stream):
        await stream.send(head)
        while True:
            await stream.send(chunk)

    return scene


def cases() -> dict[str, Case]:
    """By the name of the account that is answered so."""
    zeros = bytes(1 << 20)
    bomb = gzip.compress(zeros * 16) * 64  # a gigabyte
    noise = random.Random(5).randbytes(5000)
    too_long = f"expected at most {LIMIT} bytes, found more"
    too_many = "expected at most 250000 values, found more"
    return {
        "gigabyte": Case(endless(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (1 << 30), zeros), too_long),
        "endless": Case(
            endless(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"100000\r\n%s\r\n" % zeros), too_long
        ),
        "bomb": Case(says(bomb, "content-encoding: gzip"), "expected no content encoding, found 'gzip'"),
        "quiet-bomb": Case(says(bomb), f"expected JSON, found {len(bomb)} bytes that are not"),
        "deep": Case(says(b'{"a":' * (LIMIT // 6)), too_many),
        "nested": Case(says(b"[" * 100_000), "nested too deeply"),
        "values": Case(says(b'{"total":1,"data":[%s{}]}' % (b"{}," * (LIMIT // 4))), too_many),
        "crowd": Case(says(page(*[{}] * 1001)), "expected at most 1000 jobs, found 1001"),
        "nul": Case(says(bytes(1000)), "expected JSON, found 1000 bytes that are not"),
        "noise": Case(says(noise), "expected JSON, found 5000 bytes that are not"),
        "no-http": Case(sends(noise, keeps=False), "the connection was closed before an answer"),
        "headers": Case(endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 1000), "the answer is not valid HTTP"),
        "reset": Case(resets(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n"), "the connection was reset"),
        "drip": Case(drips(answer(page()), 0.1), "no complete answer within 1 s"),
        "silent": Case(hangs(), "no complete answer within 1 s"),
        "elsewhere": Case(says(b"", "location: http://127.0.0.1:1/", status=307), "HTTP 307"),
        "status": Case(says(b"\0\x1b[31m\xff", status=599), "HTTP 599: \0\x1b[31m\N{REPLACEMENT CHARACTER}"),
        "patience": Case(says(b"", "retry-after: Wed, 99 Foo 99999 99:99:99 +9999", status=503), "HTTP 503"),
        "negative": Case(says(page(job("negative", status=-1))), "Expected `str`, got `int` - at `$.status`, found -1"),
        "huge": Case(says(page(job("huge", status=10**400))), "$.status`, found None"),
        "long": Case(says(page(job("x" * 100_000))), "Expected `str` of length <= 256 - at `$.id`, found 'xxx"),
    }


SLOW = ("drip", "silent")
"""Who is not waited for; the others may take as long as a busy machine needs."""

ODD = {
    "nul \0 in it": {"model": "\0", "metadata": {"\0": "\0"}},
    "half \\ud800 a pair": {"model": "HALF", "metadata": {"HALF": ["HALF"]}},
    "many digits": {"metadata": {"n": 10**400, "m": -(10**400)}, "new": 1e308},
    "long ago": {"created_at": 0, "started_at": 0},
    "far away": {"created_at": 253_402_300_799, "completed_at": 10**15, "started_at": -5},
    "less than nothing": {"failed_requests": -1, "created_at": -1, "completed_requests": None},
    "more than there is": {"total_requests": 10**400, "created_at": 10**15, "succeeded_requests": 1e300},
    "of other types": {
        "model": {"a": 1}, "endpoint": 7, "metadata": "text", "input_files": "x", "completed_at": "never", "started_at": [],
        "errors": 7, "outputs": "y", "agent_id": {}, "output_file": 1.5, "error_file": False, "object": None,
    },
    "down \x1b[2J\x07\u202e": {"status": "\x1b[31mRED\u2028", "endpoint": "\r\nx", "errors": [[[[]]]] * 500},
    "../../etc/passwd": {"model": "</script><script>", "input_files": [".."] * 1000, "metadata": {"k" * 10_000: "v" * 10_000}},
    '"}# HELP x{': {"model": 'a"} 1\nb{', "total_requests": 2**53 - 1, "completed_requests": 2**53 - 1},
}  # fmt: skip
"""Jobs that are strange and yet jobs, by their ID."""

ENDED = {"status": "SUCCESS", "completed_at": "2026-11-24T22:00:00Z"}
"""Times in another form than today's."""


class Hostile(Loopback):
    """Answers each account as its case says until it is `calm`, then each with a job of its own.

    The account `odd` has the odd jobs, which end when it is calm.
    """

    def __init__(self, cases: dict[str, Case]) -> None:
        super().__init__()
        self.calm = False
        self._cases = cases

    async def _answer(self, stream) -> bool:
        line, _ = head_of(await request_of(stream))
        account = line.split("/")[1]
        if not self.calm and account in self._cases:
            return await self._cases[account].scene(stream)
        jobs = [job(f"job of {account}")]
        if account == "odd":
            jobs += [job(id_, **properties | (ENDED if self.calm else {})) for id_, properties in ODD.items()]
        return await says(page(*jobs, total=len(jobs)).replace(b"HALF", b"\\ud800"))(stream)
