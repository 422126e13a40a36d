"""Connections that are slow, idle, greedy or hostile: each is cut off, and none keeps anybody else waiting."""

import json
import logging
from contextlib import AsyncExitStack, suppress

import anyio
import pytest
from anyio.lowlevel import checkpoint
from served import LIFE, REQUEST, Stuck, ask, hello, not_reading
from surfaced import surfaced

from tracker.connections import Limits
from tracker.serving import serving

SOON = Limits(arrival=0.3, answer=0.3)
LONG = 20.0
"""Seconds within which the patrol, that comes each second, has been everywhere, however slow the machine."""


@pytest.fixture(autouse=True)
def no_complaint(caplog):
    """Whatever somebody sends, it fills no log."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING] == []


async def reading(scope, receive, send):
    """Says hello once the body has come whole."""
    while (await receive()).get("more_body"):
        pass
    await hello(scope, receive, send)


async def until_closed(stream):
    """All that is said until the connection ends."""
    said = b""
    with anyio.fail_after(LONG):
        while True:
            try:
                said += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return said


def problem(said):
    head, _, body = said.partition(b"\r\n\r\n")
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["status"] == int(head[9:12])
    return json.loads(body)["status"]


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ",
        b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n12345",
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ],
    ids=["nothing", "half a head", "half a body", "half of the chunks"],
)
async def test_a_request_that_does_not_arrive(sent):
    """Who leaves a request unfinished is told 408 and cut off, whatever part of it is missing."""

    async def app(_scope, receive, _send):
        while (await receive())["type"] != "http.disconnect":
            pass

    async with serving(app, "127.0.0.1", 0, SOON) as address, await anyio.connect_tcp(*address) as stream:
        await stream.send(sent) if sent else None
        assert problem(await until_closed(stream)) == 408


async def test_a_head_that_drips():
    """A byte now and then does not help: what counts is when the whole of it has arrived."""
    async with serving(hello, "127.0.0.1", 0, SOON) as address, await anyio.connect_tcp(*address) as stream:

        async def drip():
            await stream.send(REQUEST[:-2])
            with anyio.move_on_after(LONG):
                while True:
                    await stream.send(b"x: y\r\n")
                    await anyio.sleep(0.05)

        async with anyio.create_task_group() as group:
            group.start_soon(_quietly, drip)
            assert problem(await until_closed(stream)) == 408
            group.cancel_scope.cancel()


async def _quietly(run):
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        await run()


@pytest.mark.parametrize("after", [b"\r\n", b"G"])
async def test_a_connection_that_is_kept_busy_with_nothing(after):
    """After an answer line breaks or half a request do not keep a connection for ever."""
    async with serving(hello, "127.0.0.1", 0, SOON) as address, await anyio.connect_tcp(*address) as stream:
        await stream.send(REQUEST)
        await stream.receive()
        await stream.send(after)
        assert problem((await until_closed(stream)).removeprefix(b"hello")) == 408


async def test_an_answer_that_is_not_taken():
    """Who takes nothing of an answer is cut off, and the request ends; who takes it slowly is let be."""
    ended = anyio.Event()

    async def app(_scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            async with anyio.create_task_group() as group:

                async def watch():
                    while (await receive())["type"] != "http.disconnect":
                        pass
                    group.cancel_scope.cancel()

                group.start_soon(watch)
                while True:
                    await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
                    await checkpoint()
        finally:
            ended.set()

    async with serving(app, "127.0.0.1", 0, SOON) as address:
        with not_reading(address), anyio.fail_after(LONG):
            await ended.wait()


async def test_too_large_a_head():
    """A head beyond its limit is 431, be it one endless header or many, and never more of it is kept."""
    for line in (b"x" * 1024, b"x: yyyyyyyyyyy\r\n" * 64):
        async with serving(hello, "127.0.0.1", 0) as address, await anyio.connect_tcp(*address) as stream:
            await stream.send(b"GET / HTTP/1.1\r\n")
            for _ in range(16):
                await stream.send(line)
            assert problem(await until_closed(stream)) == 431


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"SSH-2.0-x\r\n", b"GET \r\n\r\n", b"GET / HTTP/1.1\r\nhost: x\r\nx y\r\n\r\n"]
)
async def test_what_is_not_http(sent):
    """Another protocol is answered 400 and cut off."""
    async with serving(hello, "127.0.0.1", 0) as address, await anyio.connect_tcp(*address) as stream:
        await stream.send(sent)
        assert problem(await until_closed(stream)) == 400


async def test_a_wish_for_another_protocol():
    """Whoever would rather speak something else is answered in HTTP."""
    async with serving(hello, "127.0.0.1", 0) as address:
        for protocol in (b"websocket", b"h2c"):
            asked = REQUEST[:-2] + b"connection: upgrade\r\nupgrade: " + protocol + b"\r\n\r\n"
            assert b" 200 " in await ask(address, asked)


async def test_many_requests_at_once():
    """A few requests may wait behind one; who sends hundreds is cut off."""
    app = Stuck()
    with anyio.fail_after(LIFE):
        async with serving(app, "127.0.0.1", 0) as address, await anyio.connect_tcp(*address) as stream:
            await stream.send(REQUEST * 500)
            assert await until_closed(stream) == b""
            app.release.set()


async def test_a_body_that_nobody_reads():
    """A body that was answered before its end is read on for a while, for the next request's sake, and not without an end."""
    limits = Limits(arrival=3600.0, unread=100_000)
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"8000\r\n%s\r\n" % bytes(0x8000)
    async with serving(hello, "127.0.0.1", 0, limits) as address:
        for _ in range(2):  # what was put up with before counts no more
            async with await anyio.connect_tcp(*address) as stream:
                for _ in range(2):
                    await stream.send(head)
                    assert b" 200 " in await stream.receive()
                    await stream.send(chunk * 3 + b"0\r\n\r\n")
                await stream.send(head)
                assert b" 200 " in await stream.receive()
                sent = 0
                with anyio.fail_after(LONG), suppress(anyio.BrokenResourceError):
                    while sent < 2**30:
                        await stream.send(chunk)
                        sent += len(chunk)
                assert sent < 64 * 1024 * 1024, "what socket buffers hold, at most"


async def test_a_body_that_is_read_may_be_larger():
    """That limit is not one of bodies, which is the application's business."""
    asked = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 300000\r\n\r\n" + bytes(300_000)
    async with serving(reading, "127.0.0.1", 0, Limits(unread=1000)) as address:
        assert b" 200 " in await ask(address, asked)


async def test_what_comes_behind_a_body_is_not_kept():
    """Headers behind a body are thrown away."""
    seen = []

    async def app(scope, receive, send):
        await reading(scope, receive, send)
        seen.append(scope["headers"])

    asked = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-late: 1\r\n\r\n"
    async with serving(app, "127.0.0.1", 0) as address:
        assert b" 200 " in await ask(address, asked)
    assert seen == [[(b"host", b"x"), (b"transfer-encoding", b"chunked")]]


async def test_idle_connections_make_room():
    """Where there are too many connections the one that was idle for longest goes, and every request is answered."""
    async with serving(hello, "127.0.0.1", 0, Limits(connections=5)) as address, AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(await anyio.connect_tcp(*address)) for _ in range(5)]
        for stream in idle[:1]:
            await stream.send(REQUEST)
            assert b" 200 " in await stream.receive()
        for _ in range(3):
            assert b" 200 " in await ask(address)
        for stream in idle[1:2]:
            assert await until_closed(stream) == b""


async def test_slow_clients_do_not_starve_healthz(tmp_path):
    """Beside 600 idle connections, half requests and readers that do not read, /healthz and the API are always answered."""
    async with surfaced(tmp_path / "tracker.db") as app, AsyncExitStack() as stack:
        address = app.client.base_url.host, app.client.base_url.port
        for number in range(600):
            stream = await stack.enter_async_context(await anyio.connect_tcp(*address))
            if number % 3 == 1:
                await stream.send(b"GET /api/jobs HTTP/1.1\r\nhost: localhost\r\nx-slow: " + b"x" * number)
            if number % 3 == 2:
                await stream.send(b"GET /api/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * 3)
            if number % 50 == 0:
                with anyio.fail_after(LIFE):
                    assert (await app.get("/healthz")).status_code == 200
                    assert (await app.get("/api/jobs")).status_code == 200
