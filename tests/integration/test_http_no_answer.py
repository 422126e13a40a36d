"""What the HTTP client says where there is no answer, and what it keeps to itself."""

import pytest
from loopback import answer, hangs, loopback, resets, sends, unreachable_url

from tracker.http.client import NoAnswer, Request, http_client

SECRET = "T0-canary-B0"
KEY = "canary-key"

WHOLE = answer(b"x" * 100)
CUT_SHORT = "the answer was cut short"
SILENT = "the connection was closed before an answer"
RESET = "the connection was reset"
REFUSED = "the connection is refused: nothing listens there; are host and port right, and is the server up?"
UNSUPPORTED = "the URL is neither http nor https, or names no host"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


def not_http(what):
    return f"the answer is not valid HTTP: {what}; is there an HTTP server on that port?"


@pytest.fixture
async def ask(tls):
    """Ask a URL below `url`, with a secret in its path and one in a header; what is said must show neither."""
    async with http_client(tls) as client:

        async def ask(url, path=f"/hooks/{SECRET}", **headers):
            headers = {"authorization": f"Bearer {KEY}", **headers}
            said = await client.send(Request(method="GET", url=url + path, headers=headers, deadline=5.0))
            assert not any(secret in repr(said) for secret in (SECRET, KEY, "hooks", "http:"))
            return said

        yield ask


@pytest.mark.parametrize(
    ("scene", "detail"),
    [
        pytest.param(resets(), RESET, id="reset"),
        pytest.param(resets(WHOLE[:-1]), RESET, id="reset in the body"),
        pytest.param(sends(b"", keeps=False), SILENT, id="closed"),
        pytest.param(
            sends(WHOLE[:20], keeps=False),
            SILENT,
            id="closed in the head",
        ),
        pytest.param(
            sends(WHOLE[:-1], keeps=False),
            f"{CUT_SHORT} (received 99 bytes, expected 100)",
            id="closed in the body",
        ),
        pytest.param(
            sends(CHUNKED + b"5\r\nhello\r\n", keeps=False),
            f"{CUT_SHORT} (incomplete chunked read)",
            id="closed between chunks",
        ),
        pytest.param(sends(CHUNKED + b"what?\r\n"), not_http("illegal chunk header"), id="not a chunk"),
        pytest.param(sends(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), not_http("illegal status line"), id="not HTTP"),
        pytest.param(sends(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), not_http("illegal header line"), id="not a header"),
        pytest.param(
            sends(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx"),
            not_http("conflicting Content-Length headers"),
            id="of two lengths",
        ),
    ],
)
async def test_broken_answer_is_none(ask, scene, detail):
    """Whatever ends before it is whole, or is no HTTP, is no answer; the detail says how, in words."""
    async with loopback(scene) as server:
        assert await ask(server.url) == NoAnswer(detail)


async def test_head_without_end_is_none(ask):
    """Headers that never end are cut off long before they fill the memory."""

    async def scene(stream):
        await stream.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await stream.send(b"x-filler: " + b"y" * 1000 + b"\r\n")

    async with loopback(scene) as server:
        said = await ask(server.url)
    assert said == NoAnswer(not_http("Receive buffer too long"))


async def test_interim_answers_without_end_are_none(ask):
    """An endless series of 1xx is given up long before the deadline: to read it would block all other requests."""
    async with loopback(hangs(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 17 + answer())) as server:
        said = await ask(server.url)
    assert said == NoAnswer(not_http("too many interim answers"))


async def test_interim_answers_are_read_past(ask):
    """A few 1xx responses before the answer are ignored."""
    async with loopback(sends(b"HTTP/1.1 100 Continue\r\n\r\n" * 16 + answer(b"at last"))) as server:
        said = await ask(server.url)
    assert said.body == b"at last"


async def test_refused_connection_is_no_answer(ask):
    """A port at which no server listens gives no answer."""
    with unreachable_url() as url:
        assert await ask(url) == NoAnswer(REFUSED)


async def test_unresolvable_name_is_no_answer(ask):
    """A host that cannot have an address."""
    said = await ask(f"http://{'a' * 64}.invalid")
    assert isinstance(said, NoAnswer)
    assert said.detail.startswith("the host's name is unknown; ")


async def test_server_without_tls_is_no_answer(ask):
    """https:// of a server that speaks no TLS."""
    async with loopback(sends(answer())) as server:
        said = await ask(server.url.replace("http:", "https:"))
    assert isinstance(said, NoAnswer)
    assert said.detail.startswith("it does not speak TLS on that port; ")


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        (f"http://{SECRET}:port", "InvalidURL: Invalid port"),
        (f"http://é..{SECRET}", "InvalidURL: Invalid IDNA hostname"),
        (f"{SECRET}://host", UNSUPPORTED),
        (f"http:///{SECRET}", UNSUPPORTED),
    ],
)
async def test_malformed_url_is_not_reported(ask, url, detail):
    """A URL that is none is no answer either, and the detail does not quote it."""
    assert await ask(url) == NoAnswer(detail)


async def test_server_that_echoes_gives_nothing_away(ask):
    """What a server sends back of the request is not quoted: it has the secrets of the URL and the headers."""

    async def scene(stream):
        await stream.send(server.requests[-1])
        return True

    async with loopback(scene) as server:
        assert await ask(server.url) == NoAnswer(not_http("illegal status line"))
        assert KEY.encode() in server.requests[-1]


async def test_header_that_cannot_be_sent_is_not_reported(ask):
    """A key with a line break in it is refused before anything is sent, and not quoted."""
    async with loopback(sends(answer())) as server:
        said = await ask(server.url, authorization=f"Bearer {KEY}\r\nx: y")
    assert said == NoAnswer("LocalProtocolError: Illegal header value")
    assert server.requests == []
