"""The HTTP client against a server that does whatever servers do."""

import gzip

import anyio
import pytest
from loopback import answer, drips, hangs, head_of, loopback, sends

from tracker.http.client import KEPT_IDLE, Answer, NoAnswer, Request, http_client
from tracker.http.proxies import Proxies

SECRET = "T0-canary-B0"
LIFE = 20.0
"""Seconds within which whatever is cut off has to be over, however slow the machine."""


@pytest.fixture
async def client(tls):
    async with http_client(tls) as client:
        yield client


def asking(url, **changed):
    return Request(**{"method": "GET", "url": f"{url}/hooks/{SECRET}", "deadline": LIFE} | changed)


async def test_answer_is_reported_as_it_came(client):
    """Status, headers by their lower-case names (repeated ones joined) and the body's bytes arrive unchanged."""
    body = bytes(range(256))
    async with loopback(sends(answer(body, 418, "X-Tea: green", "x-tea: black"))) as server:
        said = await client.send(asking(server.url))
    assert said == Answer(418, {"content-length": "256", "x-tea": "green, black"}, body)


async def test_request_is_sent_as_it_was_asked(client):
    """Method, repeated parameters, headers and content go out as given, and the content with its length."""
    async with loopback(sends(answer())) as server:
        request = asking(server.url, method="POST", params=(("a", "1 2"), ("a", "ü")), headers={"x-id": "7"}, content=b"{}")
        assert isinstance(await client.send(request), Answer)
    line, headers = head_of(server.requests[0])
    assert line == f"POST /hooks/{SECRET}?a=1+2&a=%C3%BC HTTP/1.1"
    assert ("x-id", "7") in headers
    assert ("content-length", "2") in headers
    assert server.requests[0].endswith(b"\r\n\r\n{}")


async def test_query_of_a_url_survives(client):
    """A URL that brings its own query keeps it where no parameters are given."""
    async with loopback(sends(answer())) as server:
        await client.send(Request(method="GET", url=f"{server.url}/hook?token={SECRET}"))
    assert head_of(server.requests[0])[0] == f"GET /hook?token={SECRET} HTTP/1.1"


async def test_no_compression_is_asked_for_and_none_undone(client):
    """Identity is asked for, and a gzip bomb that comes all the same stays as small as it came."""
    bomb = gzip.compress(bytes(8 * 1024 * 1024))
    async with loopback(sends(answer(bomb, 200, "content-encoding: gzip"))) as server:
        said = await client.send(asking(server.url))
    assert dict(head_of(server.requests[0])[1])["accept-encoding"] == "identity"
    assert said.body == bomb


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(hangs(), id="nothing"),
        pytest.param(hangs(answer(b"x" * 9)[:-4]), id="half"),
        pytest.param(drips(answer(b"x" * 1000), 0.05), id="drip"),
    ],
)
async def test_deadline_spans_the_whole_answer(client, scene):
    """Silence, half of an answer and a drip that never pauses for long all end at the deadline, the connection with them."""
    async with loopback(scene) as server:
        with anyio.fail_after(LIFE):
            said = await client.send(asking(server.url, deadline=0.3))
            await server.gone.wait()
    assert said == NoAnswer("no complete answer within 0.3 s", late=True)


@pytest.mark.parametrize(("size", "truncated"), [(0, False), (999, False), (1000, False), (1001, True), (300_000, True)])
async def test_body_is_capped(client, size, truncated):
    """A body of the limit is whole; of a longer one there are the first bytes, and it says so."""
    body = bytes(at % 251 for at in range(size))
    async with loopback(sends(answer(body))) as server:
        said = await client.send(asking(server.url, body_limit=1000))
    assert (said.body, said.truncated) == (body[:1000], truncated)


async def test_endless_body_ends_at_the_cap(client):
    """A body without end costs the limit and no more: the connection is closed there, long before the deadline."""

    async def scene(stream):
        await stream.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await stream.send(b"x" * 65536)

    async with loopback(scene) as server:
        with anyio.fail_after(LIFE):
            said = await client.send(asking(server.url, deadline=60, body_limit=100_000))
            await server.gone.wait()
    assert said.truncated
    assert len(said.body) == 100_000


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(client, status):
    """A redirect is an answer like any other: no other server is asked, least of all with our headers."""
    async with loopback(sends(answer())) as elsewhere:
        async with loopback(sends(answer(b"", status, f"location: {elsewhere.url}/"))) as server:
            said = await client.send(asking(server.url))
        assert (said.status, said.headers["location"]) == (status, f"{elsewhere.url}/")
        assert elsewhere.accepts == 0


@pytest.mark.parametrize("proxies", [False, True])
async def test_no_cookie_is_kept(tls, proxies):
    """What one answer sets is not sent with the next request: each stands for itself."""
    async with (
        loopback(sends(answer(b"", 200, "set-cookie: session=1; Path=/"))) as server,
        http_client(tls, proxies=Proxies(http=server.url) if proxies else None) as client,
    ):
        for _ in range(2):
            await client.send(asking(server.url))
    assert [dict(head_of(request)[1]).get("cookie") for request in server.requests] == [None, None]


@pytest.mark.parametrize("asked", [False, True])
async def test_proxies_of_the_environment_need_asking(tls, monkeypatch, asked):
    """Proxies are used if they are given, and what the environment says is never looked at here."""
    async with loopback(sends(answer(b"proxy"))) as proxy, loopback(sends(answer(b"server"))) as server:
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        async with http_client(tls, proxies=Proxies(http=proxy.url) if asked else None) as client:
            said = await client.send(asking(server.url))
        assert (said.body, proxy.accepts, server.accepts) == ((b"proxy", 1, 0) if asked else (b"server", 0, 1))


@pytest.mark.parametrize(
    ("proxy", "reason"),
    [
        ("http://127.0.0.1:1", "the proxy cannot be reached: the connection is refused: nothing listens there; "),
        ("http://proxy.invalid:3128", "the proxy cannot be reached: the host's name "),
        ("socks5://127.0.0.1:1", "the SOCKS proxy cannot be reached: the connection is refused: nothing listens there; "),
    ],
    ids=["refused", "unknown name", "SOCKS refused"],
)
async def test_proxy_that_cannot_be_reached(tls, proxy, reason):
    """What is wrong with a proxy is said in the words of any other connection, though its library hides the cause."""
    async with http_client(tls, proxies=Proxies(http=proxy)) as client:
        said = await client.send(Request(method="GET", url="http://api.invalid/"))
    assert said.detail.startswith(reason)


async def test_second_answer_of_a_proxy_answers_nothing(tls):
    """What a proxy says beyond an answer is not taken for the next request's answer either."""
    scenes = sends(answer(b"first") + answer(b"stale")), sends(answer(b"second"))
    async with loopback(*scenes) as proxy, http_client(tls, proxies=Proxies(http=proxy.url)) as client:
        bodies = [(await client.send(asking("http://receiver.example/"))).body for _ in range(2)]
    assert bodies == [b"first", b"second"]


async def test_connection_is_used_again(client):
    """Requests in turn share one connection, whatever their status."""
    async with loopback(sends(answer(b"x")), sends(answer(b"y", 503)), sends(answer())) as server:
        for _ in range(5):
            await client.send(asking(server.url))
        assert (len(server.requests), server.accepts) == (5, 1)


async def test_no_more_connections_than_a_pool_serves_well(client):
    """Of many requests at once sixteen are on their way, the others wait for a connection, and all are answered."""
    waiting, full = anyio.Event(), anyio.Event()
    at_once = 0

    async def scene(stream):
        nonlocal at_once
        at_once += 1
        if at_once == 16:
            full.set()
        await waiting.wait()
        await stream.send(answer())
        return True

    said = []

    async def ask():
        said.append(await client.send(asking(server.url)))

    with anyio.fail_after(LIFE):
        async with loopback(scene) as server:
            async with anyio.create_task_group() as group:
                for _ in range(40):
                    group.start_soon(ask)
                await full.wait()
                await anyio.wait_all_tasks_blocked()
                assert (at_once, server.accepts) == (16, 16)
                waiting.set()
            assert server.accepts == 16
    assert [each.status for each in said] == [200] * 40


async def test_cut_off_requests_leave_the_pool_whole(client):
    """After more requests than there are connections ended at their deadline, the next one is answered."""
    async with loopback(hangs()) as hanging, loopback(sends(answer())) as server:
        async with anyio.create_task_group() as group:
            for _ in range(40):
                group.start_soon(client.send, asking(hanging.url, deadline=0.2))
        assert isinstance(await client.send(asking(server.url)), Answer)


async def test_connection_closed_while_idle_costs_nothing(client):
    """A server that hangs up between requests is connected to again."""
    async with loopback(sends(answer(), keeps=False)) as server:
        assert isinstance(await client.send(asking(server.url)), Answer)
        with anyio.fail_after(LIFE):
            await server.gone.wait()
        assert isinstance(await client.send(asking(server.url)), Answer)
        assert server.accepts == 2


async def test_cancelled_caller_is_cancelled(client):
    """A caller that is cancelled gets no NoAnswer: the deadline differs from the end of the daemon."""
    said = []

    async def ask():
        said.append(await client.send(asking(server.url)))

    async with loopback(hangs()) as server:
        async with anyio.create_task_group() as group:
            group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            group.cancel_scope.cancel()
        with anyio.fail_after(LIFE):
            await server.gone.wait()
    assert said == []


async def test_burst_costs_no_connections_for_ever(client):
    """Of the connections that a burst has made, those that are idle for long are closed with the next request."""
    async with loopback(sends(answer())) as server:
        async with anyio.create_task_group() as group:
            for _ in range(4):
                group.start_soon(client.send, asking(server.url))
        *unused, last = client._idle
        client._idle[:3] = [each._replace(at=each.at - KEPT_IDLE - 1) for each in unused]
        assert isinstance(await client.send(asking(server.url)), Answer)
        assert ([each.connection for each in client._idle], server.accepts) == ([last.connection], 4)
    assert [each.connection._stream for each in unused] == [None] * 3


async def test_connection_that_was_idle_for_long_is_not_used_again(client):
    """Routers drop connections silently: a request over one of them would wait for its deadline."""
    async with loopback(sends(answer())) as server:
        for _ in range(2):
            assert isinstance(await client.send(asking(server.url)), Answer)
            client._idle = [each._replace(at=each.at - KEPT_IDLE - 1) for each in client._idle]
        assert server.accepts == 2


async def test_connection_of_a_request_that_failed_is_not_used_again(client):
    """What a request left half-way may be in any state: the next one is made over another connection."""
    async with loopback(hangs(), sends(answer())) as server:
        assert isinstance(await client.send(asking(server.url, deadline=0.2)), NoAnswer)
        assert client._idle == []
        assert isinstance(await client.send(asking(server.url)), Answer)
        assert server.accepts == 2
