"""Requests through real proxies on loopback: SOCKS, HTTP, and what only says that it is one."""

import struct
from contextlib import asynccontextmanager, suppress

import anyio
import pytest
from authority import Authority
from loopback import GONE, answer, hangs, head_of, loopback, sends, unreachable_url

from tracker.http.client import Answer, NoAnswer, Request, http_client
from tracker.http.proxies import Exempt, Proxies
from tracker.http.tls import Tls


@asynccontextmanager
async def socks(port, reply=0, user=None):
    """A SOCKS5 server that connects everyone, or only `user`, to `port`; its URL, and the addresses that it was asked for."""
    addresses = []

    async def converse(stream):
        async with stream:
            methods = (await stream.receive())[2:]
            await stream.send(b"\x05\x02" if user else b"\x05\x00")
            assert (b"\x02" if user else b"\x00") in methods
            if user:
                await stream.send(b"\x01\x00" if await stream.receive() == user else b"\x01\x01")
            asked = await stream.receive()
            addresses.append(asked[3:-2])
            await stream.send(b"\x05" + bytes((reply,)) + b"\x00\x03\x01x" + struct.pack(">H", 1))
            if reply == 0:
                async with await anyio.connect_tcp("127.0.0.1", port) as server, anyio.create_task_group() as group:
                    group.start_soon(_pump, stream, server)
                    await _pump(server, stream)
                    group.cancel_scope.cancel()

    async with serving(converse) as port_of_proxy:
        yield f"socks5h://127.0.0.1:{port_of_proxy}", addresses


@asynccontextmanager
async def serving(converse):
    async def unless_gone(stream):
        with suppress(*GONE):
            await converse(stream)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, unless_gone)
        yield _port(listener)
        group.cancel_scope.cancel()


def _port(listener):
    return listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - it is not Django's


async def _pump(source, target):
    async for data in source:
        await target.send(data)


async def asked(tls, proxies, url="http://receiver.example/hook"):
    async with http_client(tls, proxies=proxies) as client:
        return await client.send(Request(method="GET", url=url, deadline=10.0))


async def test_socks_proxy_connects(tls):
    """A SOCKS proxy is given the name, and what it connects to answers, over one connection for two requests."""
    async with (
        loopback(sends(answer(b"here"))) as server,
        socks(int(server.url.rpartition(":")[2])) as (url, addresses),
        http_client(tls, proxies=Proxies(http=url)) as client,
    ):
        for _ in range(2):
            said = await client.send(Request(method="GET", url="http://receiver.example/hook", deadline=10.0))
            assert said == Answer(200, {"content-length": "4"}, b"here")
    assert addresses == [b"\x03\x10receiver.example"]


@pytest.mark.parametrize(
    ("host", "address"),
    [("192.0.2.1", b"\x01\xc0\x00\x02\x01"), ("[2001:db8::1]", b"\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01")],
    ids=["IPv4", "IPv6"],
)
async def test_socks_proxy_is_given_addresses(tls, host, address):
    """An address of either version of IP is passed on as one."""
    async with loopback(sends(answer(b"here"))) as server, socks(int(server.url.rpartition(":")[2])) as (url, addresses):
        assert isinstance(await asked(tls, Proxies(http=url), f"http://{host}/"), Answer)
    assert addresses == [address]


async def test_tls_through_a_socks_proxy(tmp_path):
    """TLS is with the server behind the proxy, whose certificate is checked as ever."""
    authority = Authority(tmp_path)
    trusting = Tls(authority.ca.read_bytes()).context
    async with (
        loopback(sends(answer(b"here")), tls=authority.server()) as server,
        socks(int(server.url.rpartition(":")[2])) as (url, _),
    ):
        good = await asked(trusting, Proxies(https=url), "https://localhost/")
        bad = await asked(trusting, Proxies(https=url), "https://receiver.example/")
    assert good.body == b"here"
    assert isinstance(bad, NoAnswer)


@pytest.mark.parametrize(("password", "served"), [("p%40ss", True), ("wrong", False), ("", False)])
async def test_user_of_a_socks_proxy(tls, password, served):
    """A user and a password in the proxy's URL are what it asks for; a wrong one is the reason of the failure."""
    async with (
        loopback(sends(answer(b"here"))) as server,
        socks(int(server.url.rpartition(":")[2]), user=b"\x01\x04user\x04p@ss") as (url, _),
    ):
        said = await asked(tls, Proxies(http=url.replace("//", f"//user:{password}@")))
    assert isinstance(said, Answer) is served
    assert served or "the user or the password" in said.detail


async def test_network_of_no_proxy_goes_straight(tls):
    """An address in an exempt network is asked without the proxy, which does not even listen."""
    exempt = (Exempt.parse("127.0.0.0/8"),)
    with unreachable_url() as proxy:
        async with loopback(sends(answer(b"here"))) as server:
            said = await asked(tls, Proxies(http=proxy, exempt=exempt), server.url)
    assert said.body == b"here"


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(sends(answer(b"", 400)), id="HTTP"),
        pytest.param(sends(b"\x05\xff"), id="wants another kind of user"),
        pytest.param(sends(b"\x04\x00"), id="SOCKS4"),
        pytest.param(sends(b"", keeps=False), id="hangs up"),
        pytest.param(sends(b"\x05", keeps=False), id="half"),
    ],
)
async def test_what_is_no_socks_proxy_is_a_failure(tls, scene):
    """A server that speaks no SOCKS gives no answer, and a reason with a name; nothing is raised that would end a loop."""

    async def converse(stream):
        async with stream:
            await stream.receive()
            await scene(stream)

    async with serving(converse) as port:
        said = await asked(tls, Proxies(http=f"socks5://127.0.0.1:{port}"))
    assert isinstance(said, NoAnswer)
    assert "proxy" in said.detail.lower()


async def test_socks_proxy_that_cannot_connect(tls):
    """What a SOCKS proxy says against connecting is the reason."""
    async with socks(1, reply=5) as (url, _):
        said = await asked(tls, Proxies(http=url))
    assert "the connection is refused" in said.detail


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_proxy_that_is_not_there(tls, scheme):
    """Where no proxy listens there is no answer."""
    with unreachable_url() as url:
        said = await asked(tls, Proxies(http=url.replace("http", scheme)))
    assert isinstance(said, NoAnswer)


async def test_request_through_an_http_proxy_is_whole(tls):
    """Its headers and its content reach the proxy, and the answer's headers come back in lower case."""
    url, scene = "http://receiver.example/hook", sends(answer(b"here", 200, "X-Tea: green"))
    async with loopback(scene) as proxy, http_client(tls, proxies=Proxies(http=proxy.url)) as client:
        said = await client.send(Request(method="POST", url=url, headers={"x-id": "7"}, content=b"{}"))
    assert said == Answer(200, {"content-length": "4", "x-tea": "green"}, b"here")
    line, headers = head_of(proxy.requests[0])
    assert line == f"POST {url} HTTP/1.1"
    assert {("host", "receiver.example"), ("x-id", "7"), ("content-length", "2")} <= {(k.lower(), v) for k, v in headers}
    assert proxy.requests[0].endswith(b"\r\n\r\n{}")


async def test_proxy_that_refuses_a_tunnel(tls):
    """A proxy that refuses CONNECT gives no answer, with the status that it said."""
    async with loopback(sends(answer(b"", 403))) as proxy:
        said = await asked(tls, Proxies(https=proxy.url), "https://receiver.example/hook")
    assert "403" in said.detail


async def test_slow_proxy_is_given_up_at_the_deadline(tls):
    """A proxy that never answers ends with the deadline."""
    async with loopback(hangs()) as proxy, http_client(tls, proxies=Proxies(http=proxy.url)) as client:
        said = await client.send(Request(method="GET", url="http://receiver.example/", deadline=0.2))
    assert said == NoAnswer("no complete answer within 0.2 s", late=True)
