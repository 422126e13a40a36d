"""The embedded server: where it listens, when it says so, and what it answers."""

import logging
import signal
from email.utils import formatdate

import anyio
import anyio.to_thread
import pytest
from anyio.lowlevel import checkpoint
from server_samples import LIFE, Stuck, ask, hello, loopbacks, not_reading
from waiting import until

from tracker.core.errors.listen_error import ListenError
from tracker.server import embedded as serving_module
from tracker.server.embedded import Address, ConnectionLimits, open_server, open_server_on, reached_locally


@pytest.fixture(autouse=True)
def no_complaint(caplog):
    """Whatever a test does, uvicorn reports no error: a request that is cut off is no bug."""
    yield
    assert [record.getMessage() for record in caplog.get_records("call") if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("host", [*loopbacks(), "localhost"])
async def test_address_is_answered_as_soon_as_it_is_known(host):
    """A free port is taken, named, and answers the first request."""
    async with open_server(hello, host, 0) as address:
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
    """No header names the server, and there is a date."""
    async with open_server(hello, "127.0.0.1", 0) as address:
        head, _, body = (await ask(address)).partition(b"\r\n\r\n")
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert (sorted(names), body) == ([b"content-length", b"date"], b"hello")


@pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"])
async def test_it_rests_without_connections(monkeypatch):
    """Without a connection it wakes for nothing; who comes after a day is given that day's date, and is looked after."""
    ticks, seconds = [], [1_000_000_000]
    pause = serving_module._Server._pause
    monkeypatch.setattr(serving_module._Server, "_pause", lambda self: ticks.append(1) or pause(self))
    monkeypatch.setattr(serving_module, "_CHECK_INTERVAL", 0.01)
    monkeypatch.setattr(serving_module, "formatdate", lambda *, usegmt: formatdate(seconds[0], usegmt=usegmt))
    async with open_server(hello, "127.0.0.1", 0) as address:
        await anyio.sleep(0.2)
        assert len(ticks) == 1
        seconds[0] += 86_400
        with not_reading(address) as raw:  # its request is there before its connection is made
            assert b"date: Mon, 10 Sep 2001 01:46:40 GMT" in await anyio.to_thread.run_sync(raw.recv, 4096)
        async with await anyio.connect_tcp(*address):
            patrolled = len(ticks)
            await until(lambda: len(ticks) >= patrolled + 3)


async def test_port_is_free_again_afterwards():
    """After the context the server no longer listens, and the port is free at once."""
    async with open_server(hello, "127.0.0.1", 0) as first:
        await ask(first)
    with pytest.raises(OSError, match=r"(?i)connect"):
        await anyio.connect_tcp(*first)
    async with open_server(hello, *first) as second:
        assert second == first


@pytest.mark.parametrize("host", loopbacks())
async def test_port_that_is_taken_is_reported(host):
    """The error names host, port and reason, and the application is not started."""
    async with open_server(hello, host, 0) as address:
        with pytest.raises(ListenError) as error:
            async with open_server(hello, *address):
                pytest.fail("it listens")
    assert str(error.value) == f"cannot listen on {host} port {address.port}: Address already in use"


@pytest.mark.skipif("::1" not in loopbacks(), reason="this machine has no IPv6")
async def test_every_address_of_ipv6_is_every_address_of_ipv4_too():
    """The address :: answers who comes over IPv4, whose address is written as such; a socket of IPv4 beside it is its own."""
    clients = []

    async def app(scope, receive, send):
        clients.append(scope["client"][0])
        await hello(scope, receive, send)

    async with open_server(app, "::", 0) as address:
        for host in ("127.0.0.1", "::1"):
            assert (await ask(Address(host, address.port))).startswith(b"HTTP/1.1 200 OK")
        port = address.port
    assert clients == ["127.0.0.1", "::1"]
    async with open_server_on(hello, [("::", port), ("127.0.0.1", port)]) as both:
        for each in both:
            assert (await ask(Address(each.host.replace("::", "::1"), each.port))).startswith(b"HTTP/1.1 200 OK")


async def test_several_addresses():
    """One server answers at each of its addresses, and stops at each; where one cannot be had it listens nowhere."""
    async with open_server_on(hello, [("127.0.0.1", 0), ("127.0.0.2", 0)]) as addresses:
        assert [each.host for each in addresses] == ["127.0.0.1", "127.0.0.2"]
        for each in addresses:
            assert (await ask(each)).startswith(b"HTTP/1.1 200 OK")
        free = Address("127.0.0.3", addresses[0].port)
        with pytest.raises(ListenError):
            async with open_server_on(hello, [free, addresses[1]]):
                pytest.fail("it listens")
    for each in (free, *addresses):
        with pytest.raises(OSError, match=r"(?i)connect"):
            await anyio.connect_tcp(*each)


@pytest.mark.parametrize(
    ("hosts", "near"),
    [
        (["192.0.2.1", "127.0.0.1"], "127.0.0.1"),
        (["192.0.2.1", "0.0.0.0"], "0.0.0.0"),  # noqa: S104 - nothing listens there
        (["192.0.2.1", "::"], "::"),
        (["192.0.2.1", "2001:db8::1"], "192.0.2.1"),
    ],
)
def test_programs_of_the_machine_ask_over_loopback(hosts, near):
    """Of several addresses a command asks at one that loopback reaches; without one, at the first."""
    assert reached_locally([Address(host, 1) for host in hosts]).host == near


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("192.0.2.1", "Cannot assign requested address"),
        ("x" * 64 + ".invalid", "Name or service not known"),
    ],
)
async def test_host_that_is_not_here_is_reported(host, reason):
    """An address of another machine and a name that is none are an error of the same form."""
    with pytest.raises(ListenError) as error:
        async with open_server(hello, host, 9471):
            pytest.fail("it listens")
    assert str(error.value) == f"cannot listen on {host} port 9471: {reason}"


async def test_application_that_raises_costs_one_answer(caplog):
    """A request that raises is answered 500 and reported; the next one is served."""
    broken = [True]

    async def app(scope, receive, send):
        if broken.pop() if broken else False:
            raise LookupError("a bug")
        await hello(scope, receive, send)

    async with open_server(app, "127.0.0.1", 0) as address:
        assert b" 500 " in await ask(address)
        assert b" 200 " in await ask(address)
    assert "Exception in ASGI application" in caplog.text
    assert "a bug" in caplog.text
    caplog.clear()


@pytest.fixture
def interruptible():
    """SIGINT as Python has it: a process that a shell starts in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
async def test_signal_handlers_stay_the_callers_own():
    """Neither starting nor stopping touches what SIGTERM and SIGINT do, nor is a signal raised again at the end."""
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    with anyio.open_signal_receiver(*numbers) as signals:
        ours = [signal.getsignal(number) for number in numbers]
        async with open_server(hello, "127.0.0.1", 0) as address:
            await ask(address)
            assert [signal.getsignal(number) for number in numbers] == ours
            signal.raise_signal(signal.SIGTERM)
            with anyio.fail_after(LIFE):
                async for number in signals:
                    assert number == signal.SIGTERM
                    break
            assert b" 200 " in await ask(address), "to stop is the caller's decision"
    assert [signal.getsignal(number) for number in numbers] == before


async def test_too_many_connections_are_answered_503():
    """Where every connection has a request under way one more is answered 503; when one has ended, the next is served."""
    app = Stuck()
    with anyio.fail_after(LIFE):
        async with (
            anyio.create_task_group() as group,
            open_server(app, "127.0.0.1", 0, ConnectionLimits(connections=1)) as address,
        ):
            group.start_soon(ask, address)
            await app.inside.wait()
            assert b" 503 " in await ask(address)
            app.release.set()
            while b" 200 " not in await ask(address):
                await checkpoint()
