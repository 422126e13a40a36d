"""What is sent besides what was asked for, and an answer's headers as text."""

import httpx
import pytest

from tracker.http.transport import ReceivedAnswer, sent_request

LENGTH_0 = (b"content-length", b"0")


@pytest.mark.parametrize(
    ("method", "url", "headers", "content", "sent"),
    [
        ("GET", "https://example.com/", {}, b"", [(b"host", b"example.com")]),
        ("GET", "https://example.com:8443/", {}, b"", [(b"host", b"example.com:8443")]),
        ("GET", "https://example.com:443/", {}, b"", [(b"host", b"example.com")]),
        ("GET", "http://[::1]:80/", {}, b"", [(b"host", b"[::1]")]),
        ("GET", "http://example.com/", {"Host": "other"}, b"", [(b"Host", b"other")]),
        ("POST", "http://a/", {}, b"", [(b"host", b"a"), LENGTH_0]),
        ("PUT", "http://a/", {}, b"", [(b"host", b"a"), LENGTH_0]),
        ("PATCH", "http://a/", {}, b"", [(b"host", b"a"), LENGTH_0]),
        ("POST", "http://a/", {"X-Team": "b"}, b"body", [(b"host", b"a"), (b"X-Team", b"b"), (b"content-length", b"4")]),
        ("DELETE", "http://a/", {"content-length": "9"}, b"x", [(b"host", b"a"), (b"content-length", b"1")]),
        ("GET", "http://me:p%40ss@a/", {}, b"", [(b"host", b"a"), (b"authorization", b"Basic bWU6cEBzcw==")]),
        ("GET", "http://me@a/", {"Authorization": "x"}, b"", [(b"host", b"a"), (b"authorization", b"Basic bWU6")]),
    ],
)
def test_what_follows_from_the_rest_is_sent_with_it(method, url, headers, content, sent):
    """The host without a usual port, the length of the content, and a user of the URL, each once."""
    request = sent_request(method, httpx.URL(url), headers, content)
    assert request.headers == sent
    assert (request.method, request.content) == (method, content)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ([(b"a", b"1"), (b"b", b"2"), (b"a", b"3")], {"a": "1, 3", "b": "2"}),
        ([(b"a", "ü".encode())], {"a": "ü"}),
        ([(b"a", "ü".encode("latin-1")), (b"b", "ü".encode())], {"a": "ü", "b": "Ã¼"}),
    ],
)
def test_headers_as_text(raw, text):
    """They are read as httpx reads them: joined where one comes again, all in one encoding."""
    assert ReceivedAnswer(200, raw, None, None).headers() == text == dict(httpx.Headers(raw).items())
