"""The embedded server: it listens before it says so, and stops in bounded time, whatever its requests do."""

import logging
import signal

import anyio
import pytest
from anyio.lowlevel import checkpoint

from tracker.serving import Address, Limits, ListenError, _Interruptible, serve, serving

LIFE = 5.0
"""Seconds within which whatever has to end is over, however slow the machine."""

SLOW = Limits(grace=60)
REQUEST = b"GET /path HTTP/1.1\r\nhost: x\r\n\r\n"


async def hello(_scope, _receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": b"hello"})


class Stuck:
    """An application whose requests hang, by themselves or after the beginning of a stream."""

    def __init__(self, *, streams=False):
        self.inside = anyio.Event()
        self.ended = anyio.Event()
        self.release = anyio.Event()
        self._streams = streams

    async def __call__(self, scope, receive, send):
        if self._streams:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        self.inside.set()
        try:
            await self.release.wait()
            await hello(scope, receive, send)
        finally:
            self.ended.set()


async def ask(address, request=REQUEST):
    """Everything that a request is answered until the connection ends, or the whole `hello`."""
    said = b""
    async with await anyio.connect_tcp(*address) as stream:
        await stream.send(request)
        try:
            while not said.endswith(b"hello"):
                said += await stream.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return said + b" (ended)"
    return said


@pytest.fixture(autouse=True)
def no_complaint(caplog):
    """Whatever a test does, uvicorn reports no error: a request that is cut off is no bug."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_address_is_answered_as_soon_as_it_is_known(host):
    """A free port is taken, named, and answers the first request."""
    async with serving(hello, host, 0) as address:
        assert address.port > 0
        assert (await ask(address)).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize(
    ("address", "url"),
    [(Address("127.0.0.1", 80), "http://127.0.0.1:80"), (Address("::1", 9471), "http://[::1]:9471")],
)
def test_address_has_a_url(address, url):
    """An IPv6 address is in brackets."""
    assert address.url == url


async def test_answer_is_the_applications_own():
    """Nothing tells which server this is, and there is a date."""
    async with serving(hello, "127.0.0.1", 0) as address:
        head, _, body = (await ask(address)).partition(b"\r\n\r\n")
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert (sorted(names), body) == ([b"content-length", b"date"], b"hello")


async def test_port_is_free_again_afterwards():
    """On leaving nobody listens there any more, and the port can be taken at once."""
    async with serving(hello, "127.0.0.1", 0) as first:
        await ask(first)
    with pytest.raises(OSError, match=r"(?i)connect"):
        await anyio.connect_tcp(*first)
    async with serving(hello, *first) as second:
        assert second == first


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_port_that_is_taken_is_told(host):
    """The error names host, port and reason, and the application is not started."""
    async with serving(hello, host, 0) as address:
        with pytest.raises(ListenError) as error:
            async with serving(hello, *address):
                pytest.fail("it listens")
    assert str(error.value) == f"cannot listen on {host} port {address.port}: Address already in use"


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        ("no such host", "Name or service not known"),
        ("x" * 64 + ".invalid", "Name or service not known"),
    ],
)
async def test_host_that_is_not_here_is_told(host, reason):
    """An address of another machine and a name that is none are an error of the same form."""
    with pytest.raises(ListenError) as error:
        async with serving(hello, host, 80):
            pytest.fail("it listens")
    assert str(error.value) == f"cannot listen on {host} port 80: {reason}"


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
        async with anyio.create_task_group() as group, serving(app, "127.0.0.1", 0, SLOW) as address:
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
            async with serving(app, "127.0.0.1", 0, Limits(grace=grace)) as address:
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
        async with anyio.create_task_group() as group, serving(app, "127.0.0.1", 0, Limits(grace=0.1)) as address:
            group.start_soon(ask, address)
            await inside.wait()
    release.set()


async def test_server_without_requests_stops_at_once():
    """Nobody is waited for: five of them start and stop in less time than one tick of uvicorn's each."""
    began = anyio.current_time()
    for _ in range(5):
        async with serving(hello, "127.0.0.1", 0, SLOW) as address:
            await ask(address)
    assert anyio.current_time() - began < 3


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
        async with anyio.create_task_group() as group, serving(app, "127.0.0.1", 0, Limits(grace=0.1)) as address:
            for _ in range(50):
                group.start_soon(ask, address)
            await app.inside.wait()


@pytest.mark.parametrize("sent", [b"", REQUEST, REQUEST[:9]], ids=["silent", "kept alive", "half a request"])
async def test_idle_connection_does_not_hold_it_up(sent):
    """A connection on which nothing is under way is closed at once, not after the grace."""
    said = b""
    with anyio.fail_after(LIFE):
        async with serving(hello, "127.0.0.1", 0, SLOW) as address:
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
        async with serving(app, "127.0.0.1", 0, Limits(grace=0.1)) as address:
            group.start_soon(ask, address)
            await app.inside.wait()
            raise LookupError("mine")

    with anyio.fail_after(LIFE):
        async with anyio.create_task_group() as group:
            with pytest.raises(LookupError, match="mine"):
                await run(group)
    assert app.ended.is_set()


async def test_application_that_raises_costs_one_answer(caplog):
    """A request that raises is answered 500 and reported; the next one is served."""
    broken = [True]

    async def app(scope, receive, send):
        if broken.pop() if broken else False:
            raise LookupError("a bug")
        await hello(scope, receive, send)

    async with serving(app, "127.0.0.1", 0) as address:
        assert b" 500 " in await ask(address)
        assert b" 200 " in await ask(address)
    assert "Exception in ASGI application" in caplog.text
    assert "a bug" in caplog.text
    caplog.clear()


async def test_serve_goes_on_until_cancelled():
    """In a task group it says where it listens once it does, and a cancellation stops it in bounded time too."""
    app = Stuck()
    with anyio.fail_after(LIFE):
        async with anyio.create_task_group() as group:
            address = await group.start(serve, app, "127.0.0.1", 0, Limits(grace=0.1))
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
            group.start_soon(serve, hello, "127.0.0.1", 0)
            group.cancel_scope.cancel()


async def test_signal_handlers_stay_the_callers_own():
    """Neither starting nor stopping touches what SIGTERM and SIGINT do, nor is a signal raised again at the end."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    with anyio.open_signal_receiver(*numbers) as signals:
        ours = [signal.getsignal(number) for number in numbers]
        async with serving(hello, "127.0.0.1", 0) as address:
            await ask(address)
            assert [signal.getsignal(number) for number in numbers] == ours
            signal.raise_signal(signal.SIGTERM)
            with anyio.fail_after(LIFE):
                async for number in signals:
                    assert number == signal.SIGTERM
                    break
            assert b" 200 " in await ask(address), "to stop is the caller's decision"
    assert [signal.getsignal(number) for number in numbers] == before


async def test_too_many_connections_are_answered_503(caplog):
    """At the limit a request is answered 503 at once; when one has ended, the next is served."""
    app = Stuck()
    with anyio.fail_after(LIFE):
        async with anyio.create_task_group() as group, serving(app, "127.0.0.1", 0, Limits(connections=2)) as address:
            group.start_soon(ask, address)
            await app.inside.wait()
            assert b" 503 " in await ask(address)
            app.release.set()
            while b" 200 " not in await ask(address):
                await checkpoint()
    caplog.clear()  # uvicorn warns
