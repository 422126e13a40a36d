"""Connections that are slow, idle, greedy or hostile: each is cut off, and none delays another."""

import json
import logging
from contextlib import AsyncExitStack, asynccontextmanager, suppress

import anyio
import pytest
from anyio.lowlevel import checkpoint
from server_samples import LIFE, REQUEST, Stuck, ask, hello, not_reading
from web_application import served_application

from tracker.server.connection import is_of_this_machine
from tracker.server.connection_limits import ConnectionLimits
from tracker.server.embedded import open_server

SOON = ConnectionLimits(read_timeout=0.3, write_timeout=0.3)
LONG = 20.0
"""Seconds within which the patrol, that comes each second, has been everywhere, however slow the machine."""


@pytest.fixture(autouse=True)
def no_complaint(caplog):
    """No request, whatever its content, fills the log."""
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


@pytest.mark.slow
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
    """A client that leaves a request unfinished gets 408 and is cut off, whatever part is missing."""

    async def app(_scope, receive, _send):
        while (await receive())["type"] != "http.disconnect":
            pass

    async with open_server(app, "127.0.0.1", 0, SOON) as address, await anyio.connect_tcp(*address) as stream:
        await stream.send(sent) if sent else None
        assert problem(await until_closed(stream)) == 408


async def test_a_head_that_drips():
    """A byte now and then does not help: what counts is when the whole of it has arrived."""
    async with open_server(hello, "127.0.0.1", 0, SOON) as address, await anyio.connect_tcp(*address) as stream:

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


@pytest.mark.slow
@pytest.mark.parametrize("after", [b"\r\n", b"G"])
async def test_a_connection_that_is_kept_busy_with_nothing(after):
    """After an answer line breaks or half a request do not keep a connection without end."""
    async with open_server(hello, "127.0.0.1", 0, SOON) as address, await anyio.connect_tcp(*address) as stream:
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

    async with open_server(app, "127.0.0.1", 0, SOON) as address:
        with not_reading(address), anyio.fail_after(LONG):
            await ended.wait()


async def test_too_large_a_head():
    """A head beyond its limit is 431, be it one endless header or many, and never more of it is kept."""
    for line in (b"x" * 1024, b"x: yyyyyyyyyyy\r\n" * 64):
        async with open_server(hello, "127.0.0.1", 0) as address, await anyio.connect_tcp(*address) as stream:
            await stream.send(b"GET / HTTP/1.1\r\n")
            for _ in range(16):
                await stream.send(line)
            assert problem(await until_closed(stream)) == 431


@pytest.mark.parametrize(
    "sent", [b"\x16\x03\x01\x02\x00\x01\x00", b"SSH-2.0-x\r\n", b"GET \r\n\r\n", b"GET / HTTP/1.1\r\nhost: x\r\nx y\r\n\r\n"]
)
async def test_what_is_not_http(sent):
    """Another protocol is answered 400 and cut off."""
    async with open_server(hello, "127.0.0.1", 0) as address, await anyio.connect_tcp(*address) as stream:
        await stream.send(sent)
        assert problem(await until_closed(stream)) == 400


async def test_a_wish_for_another_protocol():
    """A client of another protocol is answered in HTTP."""
    async with open_server(hello, "127.0.0.1", 0) as address:
        for protocol in (b"websocket", b"h2c"):
            asked = REQUEST[:-2] + b"connection: upgrade\r\nupgrade: " + protocol + b"\r\n\r\n"
            assert b" 200 " in await ask(address, asked)


async def test_many_requests_at_once():
    """A few requests may wait behind one; who sends hundreds is cut off."""
    app = Stuck()
    with anyio.fail_after(LIFE):
        async with open_server(app, "127.0.0.1", 0) as address, await anyio.connect_tcp(*address) as stream:
            await stream.send(REQUEST * 500)
            assert await until_closed(stream) == b""
            app.release.set()


async def test_an_unread_body():
    """A body that was answered before its end is read on for a while, for the next request's sake, and not without an end."""
    limits = ConnectionLimits(read_timeout=3600.0, unread_body_bytes=100_000)
    head = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    chunk = b"8000\r\n%s\r\n" % bytes(0x8000)
    async with open_server(hello, "127.0.0.1", 0, limits) as address:
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
    async with open_server(reading, "127.0.0.1", 0, ConnectionLimits(unread_body_bytes=1000)) as address:
        assert b" 200 " in await ask(address, asked)


async def test_what_comes_behind_a_body_is_not_kept():
    """Headers behind a body are thrown away."""
    seen = []

    async def app(scope, receive, send):
        await reading(scope, receive, send)
        seen.append(scope["headers"])

    asked = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-late: 1\r\n\r\n"
    async with open_server(app, "127.0.0.1", 0) as address:
        assert b" 200 " in await ask(address, asked)
    assert seen == [[(b"host", b"x"), (b"transfer-encoding", b"chunked")]]


async def test_idle_connections_make_room():
    """Where there are too many connections the one that was idle for longest goes, and every request is answered."""
    async with open_server(hello, "127.0.0.1", 0, ConnectionLimits(connections=5)) as address, AsyncExitStack() as stack:
        idle = [await stack.enter_async_context(await anyio.connect_tcp(*address)) for _ in range(5)]
        for stream in idle[:1]:
            await stream.send(REQUEST)
            assert b" 200 " in await stream.receive()
        for _ in range(3):
            assert b" 200 " in await ask(address)
        for stream in idle[1:2]:
            assert await until_closed(stream) == b""


AWAITED = b"POST /login HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n"


async def test_requests_whose_body_does_not_come_make_room():
    """A request whose head is whole and whose body is not is no more than an idle connection: the oldest goes."""
    async with open_server(reading, "127.0.0.1", 0, ConnectionLimits(connections=5)) as address, AsyncExitStack() as stack:
        slow = []
        for number in range(7):
            slow.append(await stack.enter_async_context(await anyio.connect_tcp(*address)))
            await slow[-1].send(AWAITED)
            if number >= 4:
                assert b" 200 " in await ask(address)
                assert await until_closed(slow[number - 4]) == b""


class Working:
    """An application that is at work for good on all but probes."""

    def __init__(self):
        self.begun = anyio.Semaphore(0)

    async def __call__(self, scope, receive, send):
        if scope["path"] != "/healthz":
            self.begun.release()
            await anyio.sleep_forever()
        await hello(scope, receive, send)


PROBE = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"


@asynccontextmanager
async def all_at_work(**limits):
    """A server each of whose connections is at work, and its address."""
    app = Working()
    async with (
        open_server(app, "127.0.0.1", 0, ConnectionLimits(connections=3, reserved=2, shutdown_grace=0.1, **limits)) as address,
        AsyncExitStack() as stack,
    ):
        for _ in range(3):
            stream = await stack.enter_async_context(await anyio.connect_tcp(*address))
            await stream.send(REQUEST)
            await app.begun.acquire()
        yield address


async def test_probes_are_answered_where_every_connection_is_at_work():
    """A few more connections of this machine take probes, one after another and beside idle ones; nothing else has room."""
    async with all_at_work() as address, AsyncExitStack() as stack:
        for _ in range(3):
            assert b" 200 " in await ask(address, PROBE)
        for _ in range(5):
            await stack.enter_async_context(await anyio.connect_tcp(*address))
            assert b" 200 " in await ask(address, PROBE)
        said = await ask(address)
        assert (b" 503 " in said, b"there are too many connections" in said) == (True, True)


async def test_the_reserve_is_for_this_machine(monkeypatch):
    """Another machine's request is refused where every connection is at work, be it a probe: it can come in numbers."""
    monkeypatch.setattr("tracker.server.connection.is_of_this_machine", lambda _client, _server: False)
    async with all_at_work() as address:
        assert b" 503 " in await ask(address, PROBE)


async def test_one_address_has_a_part_of_the_connections(monkeypatch):
    """Another machine that opens connections without end loses its own, the oldest first; those of others stay."""
    monkeypatch.setattr("tracker.server.connection.is_of_this_machine", lambda _client, _server: False)
    async with open_server(hello, "127.0.0.1", 0, ConnectionLimits(per_address=3)) as address, AsyncExitStack() as stack:
        other = await stack.enter_async_context(await anyio.connect_tcp(*address, local_host="127.0.0.2"))
        many = [await stack.enter_async_context(await anyio.connect_tcp(*address)) for _ in range(8)]
        for each in many[:5]:
            assert await until_closed(each) == b""
        for each in (other, many[-1]):
            await each.send(REQUEST)
            assert b" 200 " in await each.receive()


async def test_this_machine_has_every_connection():
    """A proxy on this machine has many clients: its connections are not counted as those of one client."""
    async with open_server(hello, "127.0.0.1", 0, ConnectionLimits(per_address=1)) as address, AsyncExitStack() as stack:
        many = [await stack.enter_async_context(await anyio.connect_tcp(*address)) for _ in range(5)]
        for each in many:
            await each.send(REQUEST)
            assert b" 200 " in await each.receive()


@pytest.mark.parametrize(
    ("client", "server", "is_local"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("127.8.8.8", "127.0.0.1", True),
        ("::1", "::1", True),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.8", "192.0.2.7", False),
        ("::ffff:0:1", "::1", False),
        ("", None, False),
    ],
)
def test_what_is_of_this_machine(client, server, is_local):
    """Loopback, and whatever comes from the very address that it asks at."""
    assert is_of_this_machine(client, server) is is_local


async def test_slow_clients_do_not_starve_healthz(tmp_path):
    """Beside 600 connections, idle, with half a head, with no body or unread, /healthz and the API are always answered."""
    async with served_application(tmp_path / "tracker.db") as app, AsyncExitStack() as stack:
        address = app.client.base_url.host, app.client.base_url.port
        for number in range(600):
            stream = await stack.enter_async_context(await anyio.connect_tcp(*address))
            if number % 4 == 3:
                await stream.send(
                    b"POST /login HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n"
                    b"content-type: application/x-www-form-urlencoded\r\n\r\n"
                )
            if number % 4 == 1:
                await stream.send(b"GET /api/jobs HTTP/1.1\r\nhost: localhost\r\nx-slow: " + b"x" * number)
            if number % 4 == 2:
                await stream.send(b"GET /api/openapi.json HTTP/1.1\r\nhost: localhost\r\n\r\n" * 3)
            if number % 50 == 0:
                with anyio.fail_after(LIFE):
                    assert (await app.get("/healthz")).status_code == 200
                    assert (await app.get("/api/jobs")).status_code == 200
