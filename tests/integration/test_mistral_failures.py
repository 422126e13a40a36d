"""What Mistral's API answers where it gives nothing: each as a typed failure, and a 429 as a pause of the whole account."""

import json
from email.utils import formatdate

import anyio
import pytest
from loopback import answer, drips, loopback, resets, sends, unreachable_url
from vendor_clients import mistral

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.ports.provider import ListQuery
from tracker.http.client import http_client
from tracker.http.rate_limiter import RateLimiter
from tracker.providers.requests.authorized_requests import _LATE

KEY = "canary-key"
NOW = 1_750_861_214_312
ID = "5e8e2a1c-0a6c-4a5c-9a77-0d0b6a1f3c11"
EMPTY = answer(b'{"data": [], "total": 0}')
SLACK = 1e-6
"""Seconds that the loop's clock may round away."""


@pytest.fixture
async def api(tls):
    """An API at a URL: `api(url)`."""
    async with http_client(tls) as http:
        yield lambda url, deadline=5.0: mistral(
            http, url, KEY, rate_limiter=RateLimiter(1000), deadline=deadline, now=lambda: NOW
        )


async def both(provider):
    """What a list call and a get call give."""
    return await provider.list_jobs(ListQuery(), None, 100), await provider.get_job(ID)


@pytest.mark.parametrize(
    ("status", "reason", "passing"),
    [
        (201, Reason.REJECTED, False),
        (204, Reason.REJECTED, False),
        (302, Reason.REJECTED, False),
        (400, Reason.REJECTED, False),
        (401, Reason.UNAUTHORISED, False),
        (402, Reason.NOT_ENABLED, False),
        (403, Reason.UNAUTHORISED, False),
        (404, Reason.NOT_FOUND, False),
        (408, Reason.SERVER, True),
        (422, Reason.REJECTED, False),
        (429, Reason.RATE_LIMITED, True),
        (500, Reason.SERVER, True),
        (502, Reason.SERVER, True),
        (503, Reason.SERVER, True),
        (529, Reason.SERVER, True),
    ],
)
async def test_status_has_its_reason(api, status, reason, passing):
    """Every status but 200 is a failure of its reason, its body in the detail; some may pass."""
    scene = sends(answer(b"" if status == 204 else b'{"message":\r\n "No."}', status, "retry-after: 0"))
    async with loopback(scene) as server:
        for failure in await both(api(server.url)):
            said = f"HTTP {status}" if status == 204 else f"HTTP {status}: No."
            assert (failure.reason, failure.retry_after, failure.status) == (reason, 0.0, status)
            assert failure.detail.partition(";")[0] == said
            assert failure.passing is passing


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        pytest.param(b"x" * 100_000, "x" * 200, id="long"),
        pytest.param("é".encode() * 300, "é" * 200, id="not ASCII"),
        pytest.param(b"\xff" * 3, "\N{REPLACEMENT CHARACTER}" * 3, id="not UTF-8"),
        pytest.param(b"\n\n a\r\n\tb\v\fc \n", "a b c", id="of many lines"),
        pytest.param(f"No such key: {KEY}".encode(), "No such key: [redacted]", id="with the key"),
        pytest.param(b"x" * 195 + b":" + KEY.encode(), "x" * 195 + ":[red", id="with the key at the end"),
    ],
)
async def test_detail_of_an_error_is_a_short_line(api, body, shown):
    """Of an error's body the detail shows the beginning, in one line and without the key that it may repeat."""
    async with loopback(sends(answer(body, 401))) as server:
        for failure in await both(api(server.url)):
            assert failure.detail == f"HTTP 401: {shown}; the key is not accepted: check `api_key`"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("retry-after: 7", 7.0),
        ("Retry-After: 2.5", 2.5),
        ("retry-after: 999999999", 3600.0),
        (f"retry-after: {formatdate(NOW // 1000 + 30, usegmt=True)}", 29.688),
        (f"retry-after: {formatdate(NOW // 1000 - 30, usegmt=True)}", 0.0),
        ("retry-after: soon", None),
        ("retry-after: -5", None),
        ("retry-after: 1\r\nretry-after: 2", None),
        ("retry-after-ms: 250", 0.25),
        ("retry-after-ms: 250\r\nretry-after: 7", 0.25),
        ("retry-after: 7\r\nretry-after-ms: -1", 7.0),
        ("x-other: 1", None),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_wish_for_patience_is_passed_on(tls, header, seconds, status):
    """Retry-After in seconds or as a date is in the failure; nonsense, two of them and none at all are no wish."""
    async with loopback(sends(answer(b"", status, header))) as server, http_client(tls) as http:
        provider = mistral(http, server.url, KEY, rate_limiter=RateLimiter(1000), deadline=5.0, now=lambda: NOW)
        failure = await provider.get_job(ID)
    assert failure.retry_after == (seconds if seconds is None else pytest.approx(seconds, abs=1e-6))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [(["retry-after: 0.4"], 0.4), (["retry-after: soon"], 1.0), ([], 1.0), (["retry-after: 0"], 0.0)],
)
async def test_pause_holds_every_request_of_the_account(api, headers, seconds):
    """After a 429 no request is sent, of either call, before the time asked for, or a second, is over; then all are."""
    async with loopback(sends(answer(b"", 429, *headers)), sends(EMPTY)) as server:
        provider, sent = api(server.url), []

        async def ask(call):
            await call
            sent.append(anyio.current_time())

        began = anyio.current_time()
        await provider.list_jobs(ListQuery(), None, 100)
        until = provider._requests._rate_limiter._paused_until
        assert began + seconds <= until <= anyio.current_time() + seconds
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                for _ in range(3):
                    group.start_soon(ask, provider.list_jobs(ListQuery(), None, 100))
                    group.start_soon(ask, provider.get_job(ID))
    assert len(sent) == 6
    assert min(sent) >= until - SLACK
    assert len(server.requests) == 7


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_failure_is_reported_by_its_head(api, status):
    """An error whose body is cut short is not the network's: it keeps its status, its Retry-After and what came of the body."""
    scene = sends(answer(b"no such key at all", status, "retry-after: 7")[:-7], keeps=False)
    async with loopback(scene) as server:
        failure = await api(server.url).get_job(ID)
    assert (failure.reason is Reason.NETWORK, failure.retry_after) == (False, 7.0)
    assert "no such key" in failure.detail


async def test_other_errors_pause_nothing(api):
    """A Retry-After of a 503 is the caller's to honor: the account's other requests go on."""
    async with loopback(sends(answer(b"", 503, "retry-after: 3600")), sends(EMPTY)) as server:
        provider = api(server.url)
        await provider.list_jobs(ListQuery(), None, 100)
        with anyio.fail_after(30):
            assert not isinstance(await provider.list_jobs(ListQuery(), None, 100), Failure)


HTML = b"<html><title> Sign\n in </title></html>"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (HTML, "expected JSON, found an HTML page titled Sign in; is `base_url` {url} the API's, or a web site's?"),
        (b" <!doctype html>", "expected JSON, found an HTML page; is `base_url` {url} the API's, or a web site's?"),
        (b"", "expected JSON, found 0 bytes that are not: Expecting value: line 1 column 1 (char 0)"),
        (b'{"data": [{"id"', "expected JSON, found 15 bytes that are not: Expecting ':' delimiter: line 1 column 16 (char 15)"),
    ],
)
async def test_answer_that_is_no_json_is_malformed(api, body, detail):
    """A page of HTML, nothing at all and half of the JSON are failures that pass, of either call."""
    async with loopback(sends(answer(body))) as server:
        assert await both(api(server.url)) == (Failure(Reason.MALFORMED, detail.replace("{url}", server.url)),) * 2


@pytest.mark.parametrize("value", [[], 7, None, "text", {}, {"data": {}}, {"message": "ok"}])
async def test_answer_of_another_shape_is_malformed(api, value):
    """JSON that is neither a page nor a job is a failure, of either call."""
    async with loopback(sends(answer(json.dumps(value).encode()))) as server:
        for failure in await both(api(server.url)):
            assert isinstance(failure, Failure)
            assert failure.reason is Reason.MALFORMED
            assert failure.passing


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "identity, gzip"])
async def test_encoded_answer_is_refused(api, encoding):
    """What comes compressed although it was not asked for is not read, let alone inflated."""
    async with loopback(sends(answer(b'{"total": 0}', 200, f"content-encoding: {encoding}"))) as server:
        expected = Failure(Reason.MALFORMED, f"expected no content encoding, found {encoding!r}")
        assert await both(api(server.url)) == (expected, expected)


@pytest.mark.parametrize("encoding", ["identity", "Identity", ""])
async def test_identity_is_no_encoding(api, encoding):
    """A server may say that there is no encoding."""
    async with loopback(sends(answer(b'{"total": 3}', 200, f"content-encoding: {encoding}"))) as server:
        page = await api(server.url).list_jobs(ListQuery(), None, 100)
    assert page.total == 3


async def test_answer_beyond_the_limit_is_malformed(api):
    """An answer of more than 16 MiB is not read to its end."""
    limit = 16 * 1024 * 1024
    async with loopback(sends(answer(b" " * (limit + 1)))) as server:
        failure = await api(server.url).get_job(ID)
    assert failure == Failure(Reason.MALFORMED, f"expected at most {limit} bytes, found more")


@pytest.mark.parametrize(
    ("scene", "detail"),
    [
        (resets(), "the connection was reset"),
        (sends(b"", keeps=False), "the connection was closed before an answer"),
        (drips(EMPTY, 0.1), f"no complete answer within 0.5 s{_LATE}"),
    ],
    ids=["reset", "closed", "too slow"],
)
async def test_network_that_fails_is_a_failure_of_its_own(api, scene, detail):
    """Reset, closed and too slow are the network's failures, which pass; the detail says which API that is about."""
    async with loopback(scene) as server:
        expected = Failure(Reason.NETWORK, f"{server.url}: {detail}")
        assert await both(api(server.url, 0.5)) == (expected, expected)
    assert expected.passing


async def test_unreachable_api_is_a_failure_of_the_network(api):
    """No server listens: the network's failure, with what may be wrong."""
    with unreachable_url() as url:
        expected = Failure(
            Reason.NETWORK,
            f"{url}: the connection is refused: nothing listens there; are host and port right, and is the server up?",
        )
        assert await both(api(url)) == (expected, expected)
