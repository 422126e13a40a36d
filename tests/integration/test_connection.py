"""A connection of its own: names and addresses, TLS, and what a server sends unasked."""

import datetime as dt
import socket
import ssl
import struct
import threading
from contextlib import ExitStack, contextmanager, suppress

import anyio
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from loopback import answer, head_of, loopback, sends

from tracker.http.client import Answer, NoAnswer, Request, http_client, tls_context
from tracker.http.connection import MOST_HEAD, MOST_INTERIM_ANSWERS
from tracker.http.proxies import Proxies

LIFE = 20.0
"""Seconds within which whatever is awaited has to happen, however slow the machine."""


BOTH_LOOPS = pytest.mark.parametrize("anyio_backend", ["asyncio", ("asyncio", {"use_uvloop": True})], ids=["asyncio", "uvloop"])


class Certified:
    """A certificate of localhost that signs itself: who shows it, and who trusts it."""

    def __init__(self, folder):
        key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        day, now = dt.timedelta(days=1), dt.datetime.now(dt.UTC)
        made = x509.CertificateBuilder(name, name, key.public_key(), 1, now - day, now + day)
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )  # fmt: skip
        path = folder / "localhost.pem"
        path.write_bytes(secret + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        self.server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.server.load_cert_chain(path)
        self.client = tls_context()
        self.client.load_verify_locations(path)


@pytest.fixture(scope="module")
def certified(tmp_path_factory):
    return Certified(tmp_path_factory.mktemp("certified"))


@pytest.fixture(params=["http", "https"])
async def between(request, certified):
    """A client, and how to serve it: in the clear or encrypted."""
    tls = certified.server if request.param == "https" else None
    async with http_client(certified.client) as client:
        yield client, lambda *scenes: loopback(*scenes, tls=tls)


def asking(url, **changed):
    return Request(**{"method": "GET", "url": url, "deadline": LIFE} | changed)


@contextmanager
def resetting():
    """The URL of a server, in a thread, that resets each connection at once."""

    def reset():
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=reset)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@BOTH_LOOPS
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_reset_at_any_moment_is_no_answer(anyio_backend, scheme):  # noqa: ARG001 - of both loops the daemon may run on
    """A connection may be gone before its first use, and its socket with it."""
    answers = []

    async def ask(client, url):
        answers.extend([await client.send(asking(url)) for _ in range(40)])

    with resetting() as url:
        async with http_client(tls_context()) as client, anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(ask, client, url.replace("http", scheme))
    assert len(answers) == 320
    assert {type(each) for each in answers} == {NoAnswer}
    assert {each.detail.removesuffix(" at once") for each in answers} <= {
        "the connection was reset",
        "the connection was closed before an answer",
        "the connection was closed while TLS began; is there a TLS server on that port?",
    }


@BOTH_LOOPS
async def test_connection_that_is_gone_is_not_mistaken_for_another(anyio_backend, certified):  # noqa: ARG001 - as above
    """A connection that the loop has closed meanwhile is made again, also where another socket has its number by now."""
    async with loopback(sends(answer(b"x"))) as server, http_client(certified.client) as client:
        await client.send(asking(server.url))
        transport = client._idle[0].connection._stream._transport
        number = transport.get_extra_info("socket").fileno()
        transport.abort()
        with ExitStack() as others:
            for _ in range(50):
                await anyio.lowlevel.checkpoint()
                pair = [others.enter_context(each) for each in socket.socketpair()]
                if number in (each.fileno() for each in pair):
                    break
            else:
                pytest.fail("no other socket got the number")
            said = await client.send(asking(server.url))
    assert (said.body, server.accepts) == (b"x", 2)


async def test_connection_is_kept(between):
    """Requests in turn share one connection, encrypted or not."""
    client, serving = between
    async with serving(sends(answer(b"x"))) as server:
        assert [(await client.send(asking(server.url))).body for _ in range(4)] == [b"x"] * 4
        assert server.accepts == 1


async def test_unsolicited_answer_answers_nothing(between):
    """A second answer, with the first or while the connection is idle, is not taken for the next request's."""
    client, serving = between
    unasked, said_more = anyio.Event(), anyio.Event()

    async def says_more(stream):
        await stream.send(answer(b"second"))
        await unasked.wait()
        await stream.send(answer(b"stale"))
        said_more.set()
        return True

    async with serving(sends(answer(b"first") + answer(b"stale")), says_more, sends(answer(b"third"))) as server:
        bodies = [(await client.send(asking(server.url))).body for _ in range(2)]
        unasked.set()
        await said_more.wait()
        bodies.append((await client.send(asking(server.url))).body)
    assert bodies == [b"first", b"second", b"third"]
    assert server.accepts == 3


async def test_answer_that_came_encrypted_but_unread_answers_nothing(certified):
    """What lies decrypted or undecrypted between socket and parser is not taken for the next request's answer either."""

    async def says_two(stream):
        first, second = answer(b"first"), answer(b"stale")
        written = stream._ssl_object
        written.write(first)
        written.write(second)  # two records of TLS in one segment
        await stream.transport_stream.send(stream._write_bio.read())
        return True

    scenes = says_two, sends(answer(b"second"))
    async with loopback(*scenes, tls=certified.server) as server, http_client(certified.client) as client:
        bodies = [(await client.send(asking(server.url))).body for _ in range(2)]
    assert bodies == [b"first", b"second"]
    assert server.accepts == 2


async def test_what_lies_beyond_what_is_read_at_once_answers_nothing(between):
    """Whatever pieces an answer is read in, what came right behind it is not taken for the next request's answer."""
    client, serving = between
    first = answer(b"x" * 9000)
    first = answer(b"x" * (9000 + -len(first) % 1024))
    async with serving(sends(first + answer(b"stale")), sends(answer(b"second"))) as server:
        bodies = [(await client.send(asking(server.url))).body for _ in range(2)]
    assert len(first) % 1024 == 0
    assert bodies[1] == b"second"


async def test_connection_that_tls_has_closed_is_replaced(certified):
    """A server may say goodbye right behind its answer, and leave the connection as it is."""

    async def says_goodbye(stream):
        written = stream._ssl_object
        written.write(answer(b"first"))
        with suppress(ssl.SSLWantReadError):
            written.unwrap()
        await stream.transport_stream.send(stream._write_bio.read())
        await anyio.sleep_forever()

    scenes = says_goodbye, sends(answer(b"second"))
    async with loopback(*scenes, tls=certified.server) as server, http_client(certified.client) as client:
        bodies = [(await client.send(asking(server.url))).body for _ in range(2)]
    assert bodies == [b"first", b"second"]


PORT = "; is there an HTTP server on that port?"
EARLY = b"HTTP/1.1 103 Early Hints\r\n\r\n"


@pytest.mark.parametrize(
    ("said", "detail"),
    [
        (EARLY * MOST_INTERIM_ANSWERS + answer(b"late"), None),
        (
            EARLY * (MOST_INTERIM_ANSWERS + 1) + answer(b"late"),
            f"the answer is not valid HTTP: too many interim answers{PORT}",
        ),
        (answer(b"late", 200, "x: " + "x" * (MOST_HEAD // 2)), None),
        (
            answer(b"late", 200, "x: " + "x" * MOST_HEAD * 6),
            f"the answer is not valid HTTP: Receive buffer too long{PORT}",
        ),
        (b"", "the connection was closed before an answer"),
    ],
    ids=["interim answers", "too many of them", "a long head", "too long a head", "nothing"],
)
async def test_an_answer_has_bounds(between, said, detail):
    """A server that does not come to the point is left before the deadline, with the reason."""
    client, serving = between
    async with serving(sends(said, keeps=False)) as server:
        answered = await client.send(asking(server.url))
    assert answered == NoAnswer(detail) if detail else answered.body == b"late"


@pytest.mark.parametrize(("url", "port"), [("http://receiver.example/", 80), ("https://receiver.example/", 443)])
async def test_ports_by_scheme(certified, monkeypatch, url, port):
    """A URL without a port stands for its scheme's."""
    asked = []

    async def connect(host, port, **_):
        asked.append((host, port))
        raise ConnectionRefusedError

    monkeypatch.setattr("tracker.http.connection.anyio.connect_tcp", connect)
    async with http_client(certified.client) as client:
        assert isinstance(await client.send(asking(url)), NoAnswer)
    assert asked == [("receiver.example", port)]


@pytest.mark.parametrize("url", ["ftp://receiver.example/", "http:///hook", "receiver.example"])
async def test_url_that_leads_nowhere(certified, url):
    """What names no server, or none that speaks HTTP, is no answer."""
    async with http_client(certified.client) as client:
        said = await client.send(asking(url))
    assert said == NoAnswer("the URL is neither http nor https, or names no host")


async def test_untrusted_server_is_sent_nothing(certified):
    """An untrusted certificate, or one of another name, ends the connection before anything is sent."""
    async with (
        loopback(sends(answer()), tls=certified.server) as server,
        http_client(tls_context()) as strict,
        http_client(certified.client) as client,
    ):
        unknown = await strict.send(asking(server.url))
        misnamed = await client.send(asking(server.url.replace("localhost", "127.0.0.1")))
    assert {type(unknown), type(misnamed)} == {NoAnswer}
    assert unknown.detail.startswith("its TLS certificate is of a CA that is not trusted here; ")
    assert misnamed.detail.startswith("its TLS certificate is for another address than the host's; ")
    assert server.requests == []


@pytest.mark.parametrize("proxies", [None, Proxies()], ids=["straight", "by proxies"])
async def test_user_of_a_url_is_sent_as_authorization(certified, proxies):
    """A user and a password in a URL, percent-encoded there, are what Basic authentication carries, and in no request line."""
    async with loopback(sends(answer())) as server, http_client(certified.client, proxies=proxies) as client:
        said = await client.send(asking(server.url.replace("//", "//us%40er:pass%3Aword@") + "/hook"))
        assert isinstance(said, Answer)
    line, headers = head_of(server.requests[0])
    assert line == "GET /hook HTTP/1.1"
    assert dict(headers)["authorization"] == "Basic dXNAZXI6cGFzczp3b3Jk"


async def test_address_of_version_6(certified):
    """An IPv6 address is connected to, and named in the Host header as in the URL."""
    heard = []

    async def converse(stream):
        async with stream:
            heard.append(await stream.receive())
            await stream.send(answer(b"six"))

    async with await anyio.create_tcp_listener(local_host="::1") as listener, anyio.create_task_group() as group:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - it is not Django's
        group.start_soon(listener.serve, converse)
        async with http_client(certified.client) as client:
            said = await client.send(asking(f"http://[::1]:{port}/"))
        group.cancel_scope.cancel()
    assert said.body == b"six"
    assert dict(head_of(heard[0])[1])["host"] == f"[::1]:{port}"


async def test_one_connection_goes_to_one_origin_at_a_time(certified):
    """A client that asks several servers in turn asks each of them, and leaves none of its connections behind."""
    async with loopback(sends(answer(b"a"))) as first, loopback(sends(answer(b"b"))) as second:
        async with http_client(certified.client) as client:
            bodies = [(await client.send(asking(server.url))).body for server in (first, second, first)]
        with anyio.fail_after(LIFE):
            await first.gone.wait()
            await second.gone.wait()
    assert bodies == [b"a", b"b", b"a"]
    assert (first.accepts, second.accepts) == (2, 1)


async def test_server_that_reads_nothing_and_hangs_up(certified):
    """What cannot be written is no answer, however much of it there is."""

    async def hang_up(stream):
        await stream.receive(1)
        await stream.aclose()

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)  # noqa: S610 - it is not Django's
        group.start_soon(listener.serve, hang_up)
        async with http_client(certified.client) as client:
            said = await client.send(asking(f"http://127.0.0.1:{port}/", method="POST", content=bytes(32 * 1024 * 1024)))
        group.cancel_scope.cancel()
    assert said == NoAnswer("the connection was reset")
