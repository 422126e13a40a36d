"""The embedded server stops in bounded time, whatever its requests do."""

import logging

import anyio
import pytest
from server_samples import LIFE, REQUEST, Stuck, ask, hello

from tracker.server import embedded as serving_module
from tracker.server.embedded import ConnectionLimits, _Interruptible, open_server, serve_forever

SLOW = ConnectionLimits(shutdown_grace=60)


@pytest.fixture(autouse=True)
def no_complaint(caplog):
    """Whatever a test does, uvicorn reports no error: a request that is cut off is no bug."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING] == []


async def test_request_under_way_may_end():
    """A request gets the grace to end: its answer arrives whole although the server was asked to stop."""
    app, said = Stuck(), []

    async def client(address):
        said.append(await ask(address))

    async def release_once_it_stops(address):
        while True:
            try:
                await (await anyio.connect_tcp(*address)).aclose()
            except OSError:
                app.release.set()
                return

    with anyio.fail_after(LIFE):
        async with anyio.create_task_group() as group, open_server(app, "127.0.0.1", 0, SLOW) as address:
            group.start_soon(client, address)
            await app.inside.wait()
            group.start_soon(release_once_it_stops, address)
    assert said[0].startswith(b"HTTP/1.1 200 OK")
    assert said[0].endswith(b"hello")


@pytest.mark.parametrize("streams", [False, True], ids=["hanging", "streaming"])
@pytest.mark.parametrize("grace", [0.0, 0.2])
async def test_request_that_does_not_end_is_cut_off(streams, grace):
    """After the grace the connection is reset and the request cancelled, one that streams no less than one that hangs."""
    app, said = Stuck(streams=streams), []

    async def client(address):
        said.append(await ask(address))

    with anyio.fail_after(LIFE):
        async with anyio.create_task_group() as group:
            async with open_server(app, "127.0.0.1", 0, ConnectionLimits(shutdown_grace=grace)) as address:
                group.start_soon(client, address)
                await app.inside.wait()
                began = anyio.current_time()
            assert anyio.current_time() - began >= grace - 1e-6
            assert app.ended.is_set()
    assert said[0].endswith(b" (ended)")
    assert (b"data: 1" in said[0]) is streams


async def test_request_that_refuses_to_end_is_left_behind():
    """One that is not even moved by its cancellation does not keep the server from stopping."""
    inside, release = anyio.Event(), anyio.Event()

    async def app(_scope, _receive, _send):
        with anyio.CancelScope(shield=True):
            inside.set()
            await release.wait()

    with anyio.fail_after(LIFE):
        async with (
            anyio.create_task_group() as group,
            open_server(app, "127.0.0.1", 0, ConnectionLimits(shutdown_grace=0.1)) as address,
        ):
            group.start_soon(ask, address)
            await inside.wait()
    release.set()


async def test_server_without_requests_stops_at_once(monkeypatch):
    """A stop waits for no client, and not for the next time that connections are checked."""
    monkeypatch.setattr(serving_module, "_CHECK_INTERVAL", 3600.0)
    with anyio.fail_after(LIFE):
        async with open_server(hello, "127.0.0.1", 0, SLOW) as address, await anyio.connect_tcp(*address) as stream:
            await stream.send(REQUEST)
            assert (await stream.receive()).startswith(b"HTTP/1.1 200 OK")


async def test_request_that_has_ended_is_forgotten():
    """What is kept to cancel a request is let go with it: a daemon answers millions."""
    app = _Interruptible(hello)

    async def swallow(*_):
        pass

    await app({}, swallow, swallow)
    assert app._requests == set()


async def test_many_requests_are_cut_off_together():
    """Fifty that hang cost no more time than one."""
    app = Stuck()
    with anyio.fail_after(LIFE):
        async with (
            anyio.create_task_group() as group,
            open_server(app, "127.0.0.1", 0, ConnectionLimits(shutdown_grace=0.1)) as address,
        ):
            for _ in range(50):
                group.start_soon(ask, address)
            await app.inside.wait()


@pytest.mark.parametrize("sent", [b"", REQUEST, REQUEST[:9]], ids=["silent", "kept alive", "half a request"])
async def test_idle_connection_does_not_hold_it_up(sent):
    """A connection on which nothing is under way is closed at once, not after the grace."""
    said = b""
    with anyio.fail_after(LIFE):
        async with open_server(hello, "127.0.0.1", 0, SLOW) as address:
            stream = await anyio.connect_tcp(*address)
            if sent:
                await stream.send(sent)
            while sent == REQUEST and not said.endswith(b"hello"):
                said += await stream.receive()
        async with stream:
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()


async def test_body_that_raises_ends_it_too():
    """An exception in the context comes out as itself, after the server has stopped."""
    app = Stuck()

    async def run(group):
        async with open_server(app, "127.0.0.1", 0, ConnectionLimits(shutdown_grace=0.1)) as address:
            group.start_soon(ask, address)
            await app.inside.wait()
            raise LookupError("mine")

    with anyio.fail_after(LIFE):
        async with anyio.create_task_group() as group:
            with pytest.raises(LookupError, match="mine"):
                await run(group)
    assert app.ended.is_set()


async def test_serve_goes_on_until_cancelled():
    """In a task group it says where it listens once it does, and a cancellation stops it in bounded time too."""
    app = Stuck()
    with anyio.fail_after(LIFE):
        async with anyio.create_task_group() as group:
            address = await group.start(serve_forever, app, "127.0.0.1", 0, ConnectionLimits(shutdown_grace=0.1))
            group.start_soon(ask, address)
            await app.inside.wait()
            group.cancel_scope.cancel()
        assert app.ended.is_set()
        with pytest.raises(OSError, match=r"(?i)connect"):
            await anyio.connect_tcp(*address)


async def test_cancelled_at_the_start_it_does_not_hang():
    """A cancellation that is there before it listens leaves nothing behind."""
    with anyio.fail_after(LIFE):
        async with anyio.create_task_group() as group:
            group.start_soon(serve_forever, hello, "127.0.0.1", 0)
            group.cancel_scope.cancel()
