"""Owns a files API on loopback whose every file behaves as a test wants: whole, cut, refused, gone, or contradicted."""

import hashlib
import json
import re
from contextlib import asynccontextmanager

import anyio
from loopback import Loopback, answer
from vendor_clients import mistral_files

from tracker.config.secrets.credentials import Credentials
from tracker.config.secrets.secret import Secret
from tracker.http.client import http_client, tls_context
from tracker.http.rate_limiter import RateLimiter

CANARY = "canary-content-5e1f"
"""What every content holds, and nothing else may show."""


def line(number, *, failed=None):
    """A result line: of a request that succeeded, or that `failed` with this message."""
    custom_id = f"request-{number}"
    if failed:
        return json.dumps({"custom_id": custom_id, "response": None, "error": {"code": "bad", "message": failed}})
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    body = {"model": "mistral-small-latest", "choices": [{"message": {"content": CANARY}}], "usage": usage}
    return json.dumps({"custom_id": custom_id, "response": {"status_code": 200, "body": body}, "error": None})


def content(count=3, *, failed=None):
    return "".join(line(number, failed=failed) + "\n" for number in range(count)).encode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class File:
    """A file, and how each download of it goes: by the first of `ways`, of which the last one stays.

    A way is a word, a status, or a status and headers.
    """

    def __init__(self, data, *ways, **facts):
        """`facts` are in the place of what is true, or `facts=404` is the status that they are refused with."""
        self.data = data
        self.ways = [*ways] or ["whole"]
        self.facts = facts
        self.downloads = 0
        self.goes_on = anyio.Event()

    def next_way(self):
        self.downloads += 1
        return self.ways.pop(0) if len(self.ways) > 1 else self.ways[0]


class FilesApi:
    """The files by their id; `server` serves them while the context of `files_api` lasts."""

    def __init__(self, files):
        self.files = files
        self.server = Loopback(self._scene)
        self.began = anyio.Event()  # a download has begun to wait

    async def _scene(self, stream):
        id_, is_content = re.match(rb"GET /v1/files/([^/ ]+)(/content)? ", self.server.requests[-1]).groups()
        file = self.files.get(id_.decode())
        if file is None:
            await stream.send(answer(b'{"message":"File not found"}', 404))
            return True
        return await (self._content(stream, file) if is_content else self._facts(stream, id_.decode(), file))

    async def _facts(self, stream, id_, file):
        status = file.facts.get("facts", 200)
        true = {"id": id_, "bytes": len(file.data), "num_lines": file.data.count(b"\n"), "deleted": False}
        await stream.send(answer(json.dumps(true | file.facts).encode(), status))
        return True

    async def _content(self, stream, file):
        way, data = file.next_way(), file.data
        if way == "closed":
            return False
        if isinstance(way, tuple):
            await stream.send(answer(b"", *way))
            return True
        if isinstance(way, int):
            await stream.send(answer(f'{{"message":"no {CANARY[:3]}"}}'.encode(), way))
            return True
        chunked = way.startswith("chunked")
        if chunked:
            half = data if way == "chunked" else data[: len(data) // 2]
            end = b"" if way == "chunked-cut" else b"0\r\n\r\n"
            data = b"%x\r\n%b\r\n%b" % (len(half), half, end)
            head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        else:
            head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(data)
        if way in ("cut", "waits"):
            await stream.send(head + data[: len(data) // 2])
            if way == "cut":
                return False
            self.began.set()
            await file.goes_on.wait()
            await stream.send(data[len(data) // 2 :])
            return True
        await stream.send(head + data)
        return way != "chunked-cut"


@asynccontextmanager
async def files_api(**files):
    """A `FilesApi` that is served; ids have no dashes, as they are given as arguments."""
    api = FilesApi(files)
    async with anyio.create_task_group() as group:
        await group.start(api.server.run)
        yield api
        group.cancel_scope.cancel()


@asynccontextmanager
async def source_of(api, now, **changed):
    """The `ResultSource` that asks there."""
    settings = {"rate_limiter": RateLimiter(1000), "deadline": 5.0, "now": now, "idle": 5.0} | changed
    async with http_client(tls_context()) as http:
        yield mistral_files(http, api.server.url, Credentials({"api_key": Secret("canary-key")}), **settings)
