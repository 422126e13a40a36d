"""A receiver that fails in every way, over real sockets: what is kept of its answer, what stays secret, and the retry."""

import re
import socket
import sqlite3
import struct
from contextlib import closing

import anyio
import pytest
from anyio.abc import SocketAttribute
from delivery_world import SECRET, DeliveryWorld, a_job
from loopback import Loopback, answer, drips, hangs, loopback, resets, sends, unreachable_url
from structlog.testing import capture_logs

from tracker.core.deliveries.delivery import Result
from tracker.core.deliveries.retry_schedule import MAX_RETRY_AFTER
from tracker.delivery.notifiers.http_outcome import MAX_KEPT_ANSWER

HOOK = "/hooks/T0-canary-B0?token=canary%2Btoken&q=1"
SECRETS = ("T0-canary-B0", "canary%2Btoken", "canary+token", SECRET, SECRET.removeprefix("whsec_"))
TIMEOUT = 0.3
PATIENT = 30.0
LATE = f"no complete answer within {TIMEOUT:g} s"
RESET = "the connection was reset"
WHOLE = answer(b"x" * 100)
BODY = b"<h1>Sorry</h1>"


def not_http(what):
    return f"the answer is not valid HTTP: {what}; is there an HTTP server on that port?"


def floods(code, head=b""):
    """An answer of `code` whose body goes on until the client hangs up."""

    async def scene(stream):
        await stream.send(b"HTTP/1.1 %d Said\r\ncontent-length: 1000000000000\r\n\r\n%b" % (code, head))
        while True:
            await stream.send(b"y" * 65_536)

    return scene


async def drips_its_body(stream):
    await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        await stream.send(b"y")
        await anyio.sleep(0.05)


async def floods_with_headers(stream):
    await stream.send(b"HTTP/1.1 200 OK\r\n")
    while True:
        await stream.send(b"x-filler: " + b"y" * 1000 + b"\r\n")


class ResetsUnread(Loopback):
    """Resets the first connection without reading a byte of it."""

    async def _converse(self, stream):
        if self.accepts:
            return await super()._converse(stream)
        self.accepts += 1
        raw = stream.extra(SocketAttribute.raw_socket)  # noqa: S610 - it is not Django's
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stream._transport.abort()
        return None


async def expected(path, *urls, late=False):
    """The outcome of each attempt to deliver one event, with the clock set to when each is due.

    It is at each of `urls` in turn and must have taken the event in the end; nothing secret may stand in the file or the log.
    A `late` one has a short timeout.
    """
    world, outcomes = DeliveryWorld(path, retry=(60.0,) * 3), []
    with capture_logs() as lines:
        for url in urls:
            world.timeout = TIMEOUT if late and not outcomes else PATIENT
            async with world.with_receivers(pipeline=url + HOOK):
                if not outcomes:
                    await world.record(a_job("a"))
                outcomes += await world.deliver()
                ((state, world.now),) = await world.rows("state, due_at")
    with closing(sqlite3.connect(path)) as connection:
        kept = connection.execute("SELECT result, status, detail, answer FROM attempts ORDER BY number").fetchall()
        everything = "\n".join(connection.iterdump()) + repr(lines)
    assert state == "delivered"
    assert kept == [(each.result, each.status, each.detail, each.answer) for each in outcomes]
    assert not [secret for secret in SECRETS if secret in everything]
    assert not re.search("https?:", repr(lines))
    return outcomes


async def told_by(path, scene, *, late=False):
    """What the first of two attempts came to, which `scene` answers; the second is the same to the byte, and accepted."""
    async with loopback(scene, sends(answer())) as server:
        first, second = await expected(path, server.url, server.url, late=late)
    assert second.delivered
    _, bodies = _heads_and_bodies(server.requests)
    assert bodies[0] == bodies[1]
    return first


def _heads_and_bodies(requests):
    parts = [request.partition(b"\r\n\r\n") for request in requests]
    return [head for head, _, _ in parts], [body for _, _, body in parts]


@pytest.mark.parametrize(
    ("code", "result"),
    [
        *[(code, Result.REDIRECTED) for code in (300, 304, 399)],
        *[(code, Result.REFUSED) for code in (400, 401, 403, 404, 405, 408, 409, 413, 418, 422, 451, 499)],
        (429, Result.RATE_LIMITED),
        *[(code, Result.SERVER) for code in (500, 501, 502, 503, 504, 511, 599, 600, 999)],
    ],
)
async def test_each_status_is_a_result_and_is_tried_again(tmp_path, code, result):
    """Whatever is not 2xx fails by its class, with the beginning of the body, and the same event goes out once more."""
    failed = await told_by(tmp_path / "tracker.db", sends(answer(BODY, code), keeps=False))
    body = "" if code == 304 else BODY.decode()
    assert (failed.result, failed.status, failed.detail, failed.answer) == (result, code, f"HTTP {code}", body)


@pytest.mark.slow
@pytest.mark.parametrize(
    "scene",
    [
        *[pytest.param(sends(answer(b"", code), keeps=False), id=str(code)) for code in (200, 201, 202, 206, 226, 299)],
        pytest.param(sends(b"HTTP/1.1 204 No Content\r\n\r\n"), id="204"),
        pytest.param(sends(b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" + WHOLE), id="103 first"),
        pytest.param(sends(b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + WHOLE), id="100 first"),
        pytest.param(sends(answer(b"\xff\0" * 999)), id="binary"),
        pytest.param(sends(answer(b"not gzip", 200, "content-encoding: gzip")), id="a lie about gzip"),
        pytest.param(floods(200), id="a body without end"),
        pytest.param(resets(WHOLE[:-1]), id="a body that is reset"),
        pytest.param(sends(WHOLE[:-1], keeps=False), id="a body cut short"),
        pytest.param(sends(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nwhat?\r\n"), id="a body that is no body"),
        pytest.param(drips_its_body, id="a body that drips and never ends"),
    ],
)
async def test_2xx_is_all_that_a_receiver_needs_to_say(tmp_path, scene):
    """Any 2xx delivers, whatever comes before it and in its body, of which no more than the cap is read and nothing kept."""
    async with loopback(scene) as server:
        (outcome,) = await expected(tmp_path / "tracker.db", server.url)
    assert (outcome.delivered, outcome.answer) == (True, "")
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(sends(answer(b"try later, please", 429, "retry-after: 120")[:-8], keeps=False), id="cut short"),
        pytest.param(hangs(answer(b"try later, please", 429, "retry-after: 120")[:-8]), id="never ended"),
        pytest.param(resets(answer(b"try later, please", 429, "retry-after: 120")[:-8]), id="reset"),
    ],
)
async def test_bad_answer_is_one_by_its_head(tmp_path, scene):
    """An error whose body is not whole keeps its status and its Retry-After; as much of the body as came is shown."""
    failed = await told_by(tmp_path / "tracker.db", scene)
    assert (failed.result, failed.status, failed.retry_after) == (Result.RATE_LIMITED, 429, 120.0)
    assert failed.answer == "try later"


@pytest.mark.slow
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(tmp_path, code):
    """What a receiver points to is not asked, and what was signed for one is not sent to another."""
    async with loopback(sends(answer())) as elsewhere:
        failed = await told_by(tmp_path / "tracker.db", sends(answer(BODY, code, f"location: {elsewhere.url}{HOOK}")))
        assert elsewhere.accepts == 0
    assert (failed.result, failed.detail) == (Result.REDIRECTED, f"HTTP {code}")


@pytest.mark.parametrize(
    ("scene", "detail"),
    [
        pytest.param(hangs(), LATE, id="reads and never answers"),
        pytest.param(drips(WHOLE, 0.02), LATE, id="drips"),
        pytest.param(drips(answer(BODY, 500), 0.02), LATE, id="drips an error"),
        pytest.param(resets(), RESET, id="reset after reading"),
        pytest.param(sends(b"", keeps=False), "the connection was closed before an answer", id="hangs up"),
        pytest.param(sends(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), not_http("illegal status line"), id="SSH"),
        pytest.param(sends(b"\xff\0" * 99 + b"\r\n\r\n"), not_http("illegal status line"), id="garbage"),
        pytest.param(
            sends(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n"),
            not_http("Received server _SWITCH_UPGRADE event without a pending proposal"),
            id="101",
        ),
        pytest.param(sends(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n"), not_http("illegal header line"), id="no header"),
        pytest.param(floods_with_headers, not_http("Receive buffer too long"), id="headers without end"),
    ],
)
async def test_no_head_is_a_failure_of_the_network(tmp_path, scene, detail):
    """Late, cut off in its head or no HTTP at all: the detail says how, quotes nothing, and the event goes out again."""
    failed = await told_by(tmp_path / "tracker.db", scene, late=detail == LATE)
    assert (failed.result, failed.status, failed.answer) == (Result.NETWORK, None, "")
    assert failed.detail == detail


async def test_reset_before_a_byte_was_read(tmp_path):
    """A connection that is reset as soon as it is made is a failure of the network."""
    server = ResetsUnread(sends(answer()))
    async with anyio.create_task_group() as group:
        await group.start(server.run)
        failed, delivered = await expected(tmp_path / "tracker.db", server.url, server.url)
        group.cancel_scope.cancel()
    assert failed.result is Result.NETWORK
    assert failed.detail in (RESET, "the connection was closed before an answer")
    assert delivered.delivered
    assert (server.accepts, len(server.requests)) == (2, 1)


async def test_refused_connection(tmp_path):
    """A receiver that does not listen yet gets its deliveries as soon as it does."""
    async with loopback(sends(answer())) as server:
        with unreachable_url() as url:
            failed, delivered = await expected(tmp_path / "tracker.db", url, server.url)
    assert (failed.result, failed.detail) == (
        Result.NETWORK,
        "the connection is refused: nothing listens there; are host and port right, and is the server up?",
    )
    assert delivered.delivered


async def test_server_without_tls(tmp_path):
    """A server that speaks no TLS where https is asked for is a failure of the network, and no event is sent in the clear."""
    async with loopback(sends(answer())) as server:
        failed, delivered = await expected(tmp_path / "tracker.db", server.url.replace("http:", "https:"), server.url)
    assert failed.result is Result.NETWORK
    assert failed.detail.startswith("it does not speak TLS on that port; ")
    assert delivered.delivered
    assert b"evt_" not in server.requests[0]
    assert b"evt_" in server.requests[1]


async def test_first_kilobyte_of_a_bad_answer_is_kept(tmp_path):
    """However much a receiver says with its error, a kilobyte of it is kept."""
    failed = await told_by(tmp_path / "tracker.db", floods(500, b"<begins>"))
    assert failed.answer == "<begins>" + "y" * (MAX_KEPT_ANSWER - len("<begins>"))


async def test_bad_answer_need_not_be_text(tmp_path):
    """What is no UTF-8 is kept as far as it can be read."""
    failed = await told_by(tmp_path / "tracker.db", sends(answer(b"caf\xe9 \0 \xf0\x9f\x98\x80", 500)))
    assert failed.answer == "caf\N{REPLACEMENT CHARACTER} \0 \N{GRINNING FACE}"


async def test_answer_that_quotes_the_url_gives_nothing_away(tmp_path):
    """Many a server quotes what was asked for where it has no such page: what is secret in the URL is left out."""

    async def scene(stream):
        await stream.send(answer(b"Cannot " + server.requests[-1].partition(b"\r\n\r\n")[0], 404))
        return False

    async with loopback(scene, sends(answer())) as server:
        failed, _ = await expected(tmp_path / "tracker.db", server.url, server.url)
    assert failed.answer.startswith("Cannot POST /hooks/[redacted]?token=[redacted]&q=1 HTTP/1.1")


async def test_secret_at_the_cut_gives_nothing_away(tmp_path):
    """Where the kept beginning ends in the middle of a secret none of it is kept."""
    body = b" " * (MAX_KEPT_ANSWER - 6) + b"T0-canary-B0"
    failed = await told_by(tmp_path / "tracker.db", sends(answer(body, 404)))
    assert failed.answer == " " * (MAX_KEPT_ANSWER - 6) + "[redac"


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("120", 120),
        ("1", 60),
        ("-5", 60),
        ("soon", 60),
        ("99999999", MAX_RETRY_AFTER),
        ("Tue, 24 Nov 2026 06:02:00 GMT", 120),
        ("Tue, 24 Nov 2020 06:02:00 GMT", 60),
        ("Sat, 24 Nov 2096 06:02:00 GMT", MAX_RETRY_AFTER),
    ],
)
@pytest.mark.parametrize("code", [429, 503])
async def test_retry_after_is_honored(tmp_path, code, header, wait):
    """Seconds, a date by our clock, nonsense, the past and the absurd, as they come over the wire."""
    await is_due_after(tmp_path, code, (f"retry-after: {header}",), wait)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        (("retry-after-ms: 120500",), 120.5),
        (("retry-after-ms: 90000", "retry-after: 600"), 90),
        (("retry-after: 600", "Retry-After-Ms: soon"), 600),
        (("retry-after-ms: 99999999999",), MAX_RETRY_AFTER),
        (("retry-after-ms: -5",), 60),
    ],
    ids=["alone", "beside seconds", "nonsense beside seconds", "absurd", "negative"],
)
async def test_retry_after_ms_is_honored(tmp_path, headers, wait):
    """The header in milliseconds is honored as the one in seconds is, and wins over it."""
    await is_due_after(tmp_path, 429, headers, wait)


async def is_due_after(tmp_path, code, headers, wait):
    async with loopback(sends(answer(b"", code, *headers))) as server:
        world = DeliveryWorld(tmp_path / "tracker.db", retry=(60.0,) * 3)
        async with world.with_receivers(pipeline=server.url):
            await world.record(a_job("a"))
            await world.deliver()
            assert await world.rows("state, due_at") == [("pending", world.now + wait * 1000)]
