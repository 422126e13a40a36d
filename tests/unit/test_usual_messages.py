"""HTTP messages of the usual form are written and read as h11 writes and reads them, and all others are left to it."""

import h11
import httpx
import pytest

from tracker.http.transport import SentRequest, sent_request
from tracker.http.usual_messages import MOST_HEAD, answer_head, request_bytes

URL = httpx.URL("https://api.example/v1/batch/jobs?page=1&order_by=created")


def by_h11(request):
    http = h11.Connection(h11.CLIENT)
    head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers)
    return b"".join(http.send(each) for each in (head, h11.Data(data=request.content), h11.EndOfMessage()))


@pytest.mark.parametrize(
    ("method", "headers", "content"),
    [
        ("GET", {}, b""),
        ("GET", {"accept": "*/*", "x-empty": "", "x-words": "a b\tc"}, b""),
        ("POST", {"webhook-id": "evt_1"}, b"{}"),
        ("POST", {}, b""),
    ],
    ids=["get", "headers", "post", "post of nothing"],
)
def test_a_usual_request_is_what_h11_writes(method, headers, content):
    """Byte for byte."""
    request = sent_request(method, URL, headers, content)
    assert request_bytes(request) == by_h11(request)


@pytest.mark.parametrize(
    "headers",
    [
        [(b"transfer-encoding", b"chunked")],
        [(b"Connection", b"close")],
        [(b"expect", b"100-continue")],
        [(b"upgrade", b"websocket")],
        [(b"content-length", b"3")],
        [(b"x-split", b"a\r\nx-smuggled: b")],
        [(b"x-zero", b"a\0")],
        [(b"x y", b"a")],
        [(b"", b"a")],
        [(b"x", b" a")],
        [(b"x", b"a ")],
        [(b"x", b"\xff")],
    ],
    ids=repr,
)
def test_an_unusual_request_is_left_to_h11(headers):
    """Whatever decides how long messages are or whether the connection is kept, and whatever is no header."""
    assert request_bytes(SentRequest("GET", URL, [(b"host", b"api.example"), *headers], b"")) is None


@pytest.mark.parametrize("method", ["GET /smuggled HTTP/1.1\r\n", "get", ""], ids=repr)
def test_a_method_is_a_word(method):
    """Nothing that a method has may begin another line."""
    assert request_bytes(SentRequest(method, URL, [(b"host", b"api.example")], b"")) is None


def answer(*lines, line_end=b"\r\n"):
    return line_end.join([*lines, b"", b""])


@pytest.mark.parametrize(
    "head",
    [
        answer(b"HTTP/1.1 200 OK", b"content-length: 5"),
        answer(b"HTTP/1.1 200", b"Content-Length:5", b"Connection: Keep-Alive", b"X-Empty:", b"x-two:  a  b\t"),
        answer(b"HTTP/1.1 404 Not Found", b"content-length: 0", b"x-latin: \xe4", b"set-cookie: a", b"set-cookie: b"),
    ],
    ids=["plain", "spaces", "error"],
)
def test_a_usual_answer_is_what_h11_reads(head):
    """Status and headers are what h11 makes of them, and the body begins behind them."""
    http = h11.Connection(h11.CLIENT)
    http.send(h11.Request(method="GET", target="/", headers=[("host", "x")]))
    http.send(h11.EndOfMessage())
    http.receive_data(head + b"body")
    read, found = http.next_event(), answer_head(head + b"body")
    assert (found.status, found.headers, found.at) == (read.status_code, list(read.headers), len(head))
    assert found.length == int(dict(found.headers)[b"content-length"])


LENGTH = b"content-length: 5"


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n",
        answer(b"HTTP/1.0 200 OK", LENGTH),
        answer(b"HTTP/1.1 100 Continue", LENGTH),
        answer(b"HTTP/1.1 204 No Content", LENGTH),
        answer(b"HTTP/1.1 304 Not Modified", LENGTH),
        answer(b"HTTP/1.1 200 OK"),
        answer(b"HTTP/1.1 200 OK", LENGTH, LENGTH),
        answer(b"HTTP/1.1 200 OK", b"content-length: 5, 5"),
        answer(b"HTTP/1.1 200 OK", b"content-length: +5"),
        answer(b"HTTP/1.1 200 OK", LENGTH, b"transfer-encoding: chunked"),
        answer(b"HTTP/1.1 200 OK", LENGTH, b"connection: close"),
        answer(b"HTTP/1.1 200 OK", LENGTH, b"connection: keep-alive, close"),
        answer(b"HTTP/1.1 200 OK", LENGTH, b"upgrade: h2c"),
        answer(b"HTTP/1.1 200 OK", b"x: a", b" folded", LENGTH),
        answer(b"HTTP/1.1 200 OK", b"content-length : 5"),
        answer(b"HTTP/1.1 200 OK", b"no colon", LENGTH),
        answer(b"HTTP/1.1 200 OK", b"x: a\0", LENGTH),
        answer(b"HTTP/1.1 200 OK", LENGTH, line_end=b"\n"),
        answer(b"HTTP/1.1 200 OK", LENGTH, b"x: " + b"x" * MOST_HEAD),
    ],
    ids=lambda head: repr(head[:60]),
)
def test_an_unusual_answer_is_left_to_h11(head):
    """Whatever is incomplete, ends otherwise than after a length, ends the connection, or may not be valid."""
    assert answer_head(head) is None
