"""Mistral's files API as it is called: the requests to the byte, the facts, the content, and every refusal as a failure."""

import json

import anyio
import pytest
from loopback import answer, hangs, head_of, loopback, sends
from vendor_clients import mistral_files

from tracker.config.secrets.credentials import Credentials
from tracker.config.secrets.secret import Secret
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.ports.results import ContentError
from tracker.core.results.result_file import FileFacts
from tracker.http.client import http_client
from tracker.http.rate_limiter import RateLimiter

KEY = "canary-key"
ID = "0b5ff1a1-8f3c-4c1a-a0a3-3a1b0e6c7f10"
NOW = 1_750_861_214_312
LINES = b'{"custom_id":"0"}\n' * 1000
FILE = {"id": ID, "object": "file", "bytes": None, "created_at": 1_750_850_000, "filename": "x.jsonl", "purpose": "batch"}


@pytest.fixture
async def files(tls):
    """The files API at a URL: `files(url)`; `files.answered` is what was reported of its requests."""
    async with http_client(tls) as http:
        answered, limiter = [], RateLimiter(1000)

        def files(url, key=KEY, **changed):
            credentials = Credentials({"api_key": Secret(key) if isinstance(key, str) else key})
            report = lambda call, code, seconds: answered.append((call, code, 0 < seconds < 60))  # noqa: E731
            settings = {"rate_limiter": limiter, "deadline": 5.0, "now": lambda: NOW, "on_response": report, "idle": 5.0}
            return mistral_files(http, url, credentials, **settings | changed)

        files.answered, files.limiter = answered, limiter
        yield files


def described(**changed):
    return sends(answer(json.dumps(FILE | changed).encode()))


async def content_of(source):
    async with source.open_content(ID) as content:
        return content if isinstance(content, Failure) else (content.length, b"".join([part async for part in content]))


async def test_requests_to_the_byte(files):
    """Facts and content are asked for at the documented paths, with the key; a hostile id leads to no other path."""
    async with loopback(described()) as server:
        await files(server.url).file_facts(ID)
        await files(server.url).file_facts("../batch/jobs?x=")
        await content_of(files(server.url))
    heads = [head_of(request) for request in server.requests]
    assert [line for line, _ in heads] == [
        f"GET /v1/files/{ID} HTTP/1.1",
        "GET /v1/files/%2E%2E%2Fbatch%2Fjobs%3Fx%3D HTTP/1.1",
        f"GET /v1/files/{ID}/content HTTP/1.1",
    ]
    assert all(("authorization", f"Bearer {KEY}") in headers for _, headers in heads)
    assert [dict(headers)["accept"] for _, headers in heads] == ["application/json"] * 2 + ["application/octet-stream"]
    assert files.answered == [("file", "200", True), ("file", "200", True), ("content", "200", True)]


@pytest.mark.parametrize(
    ("said", "facts"),
    [
        ({}, FileFacts()),
        ({"bytes": 12, "num_lines": 3, "expires_at": 1_750_950_000}, FileFacts(bytes=12, lines=3, expires_at=1_750_950_000)),
        ({"bytes": 0, "num_lines": 0, "deleted": True}, FileFacts(bytes=0, lines=0, deleted=True)),
        ({"bytes": "12", "num_lines": -1, "expires_at": True, "deleted": "no"}, FileFacts()),
    ],
)
async def test_facts(files, said, facts):
    """What is null, absent or nonsense is unknown; the rest is as it is said."""
    async with loopback(described(**said)) as server:
        assert await files(server.url).file_facts(ID) == facts


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{", b"<html>", b'"x"', b'{"id":"another"}', b"[" * 100_000, b'{"id":"\xff"}'],
)
async def test_facts_that_cannot_be_read(files, body):
    """What is no file, or another one, is a failure."""
    async with loopback(sends(answer(body))) as server:
        found = await files(server.url).file_facts(ID)
    assert found.reason is Reason.MALFORMED
    assert len(found.detail) < 600


async def test_content(files):
    """The content comes whole, with its length where that is announced."""
    async with loopback(sends(answer(LINES))) as server:
        assert await content_of(files(server.url)) == (len(LINES), LINES)
    chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(LINES), LINES)
    async with loopback(sends(chunked)) as server:
        assert await content_of(files(server.url)) == (None, LINES)


@pytest.mark.parametrize(
    ("scene", "changed", "detail"),
    [
        (sends(answer(LINES)[:-1], keeps=False), {}, "the answer was cut short"),
        (hangs(answer(LINES)[:-1]), {"idle": 0.2}, "no further part of the answer within 0.2 s"),
    ],
)
async def test_cut_content(files, scene, changed, detail):
    """A content that ends early, or of which nothing more comes, raises; its failure is one that may pass."""
    async with loopback(scene) as server:
        with pytest.raises(ContentError) as raised:
            await content_of(files(server.url, **changed))
    assert raised.value.failure.reason is Reason.NETWORK
    assert raised.value.failure.passing
    assert raised.value.failure.detail.startswith(detail)


@pytest.mark.parametrize(
    ("status", "headers", "reason", "wait"),
    [
        (401, (), Reason.UNAUTHORISED, None),
        (403, (), Reason.UNAUTHORISED, None),
        (404, (), Reason.NOT_FOUND, None),
        (429, ("retry-after: 7",), Reason.RATE_LIMITED, 7.0),
        (500, (), Reason.SERVER, None),
        (302, ("location: https://elsewhere/?sig=canary-signature",), Reason.REJECTED, None),
    ],
)
async def test_refusals(files, status, headers, reason, wait):
    """A refusal of facts and of content is the same failure, with the API's message, without the key and signed links."""
    body = json.dumps({"message": f"not for {KEY}: https://blob/f?sig=canary-signature"}).encode()
    async with loopback(sends(answer(body, status, *headers))) as server:
        found = await content_of(files(server.url))
        files.limiter.pause(0.0)
        assert (found.reason, found.retry_after, found.status) == (reason, wait, status)
        assert "not for" in found.detail
        assert KEY not in found.detail
        assert "canary-signature" not in found.detail
        if status != 429:
            assert await files(server.url).file_facts(ID) == found


async def test_content_in_an_encoding_is_refused(files):
    """A content that came compressed though none was asked for would be archived as what it is not."""
    async with loopback(sends(answer(LINES, 200, "content-encoding: gzip"))) as server:
        found = await content_of(files(server.url))
    assert found == Failure(Reason.MALFORMED, "expected no content encoding, found 'gzip'")


async def test_replaced_key_is_used(files):
    """If the key is refused and its file has another one by now, the content is asked for again with that."""
    key = Secret("old", "the file", lambda: Secret("new", "the file"))
    async with loopback(sends(answer(b"", 401)), sends(answer(LINES))) as server:
        assert await content_of(files(server.url, key)) == (len(LINES), LINES)
    assert [dict(head_of(request)[1])["authorization"] for request in server.requests] == ["Bearer old", "Bearer new"]


async def test_files_go_before_sweeps(files):
    """A request for a file has its turn before one that waits in the usual line."""
    order, found, limiter = [], [], RateLimiter(50)
    limiter.pause(3600.0)

    async def turn(of, name):
        await of()
        order.append(name)

    async def facts(url):
        found.append(await files(url, rate_limiter=limiter).file_facts(ID))

    first, limiter.acquire_first = limiter.acquire_first, lambda: turn(first, "file")
    async with loopback(described()) as server:
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(turn, limiter.acquire, "sweep")
                await anyio.wait_all_tasks_blocked()
                group.start_soon(facts, server.url)
                await anyio.wait_all_tasks_blocked()
                assert limiter._usual.has_head, "it waits, and came first"
                assert limiter._first.has_head
                limiter._paused_until = 0.0
                limiter._wake()
    assert order == ["file", "sweep"]
    assert isinstance(found[0], FileFacts)
