"""Answers that are read while they come, against a server that cuts them, lets them idle, or sends more than is wanted."""

import hashlib

import anyio
import pytest
from loopback import answer, hangs, loopback, resets, sends

from tracker.http.client import NoAnswer, Request, http_client
from tracker.http.streaming import StreamCutError, StreamedAnswer

LIFE = 20.0
"""Seconds within which whatever is cut off has to be over, however slow the machine."""

BODY = bytes(range(256)) * 4096


@pytest.fixture
async def client(tls):
    async with http_client(tls) as client:
        yield client


def asking(url, deadline=LIFE):
    return Request(method="GET", url=f"{url}/file", deadline=deadline)


def in_chunks(*parts, end=b"0\r\n\r\n"):
    """A chunked answer of these parts; without `end` it is cut."""
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks + end


async def body_of(streamed):
    return b"".join([part async for part in streamed])


async def test_body_comes_whole_and_the_connection_is_kept(client):
    """Status, headers, announced length and every byte arrive, and the next request uses the same connection."""
    async with loopback(sends(answer(BODY, 200, "X-File: a"))) as server:
        for _ in range(2):
            async with client.stream(asking(server.url), LIFE) as streamed:
                assert (streamed.status, streamed.headers["x-file"], streamed.length) == (200, "a", len(BODY))
                assert await body_of(streamed) == BODY
    assert server.accepts == 1


async def test_chunked_body_has_no_length(client):
    """A body in chunks is whole with its last chunk; it announces no length."""
    async with (
        loopback(sends(in_chunks(b"first", b"second"))) as server,
        client.stream(asking(server.url), LIFE) as streamed,
    ):
        assert streamed.length is None
        assert await body_of(streamed) == b"firstsecond"


async def test_length_of_a_chunked_body_is_not_believed(client):
    """A length beside chunks says nothing (RFC 9112, 6.3): the body is what the chunks hold."""
    both = in_chunks(b"first").replace(b"transfer-encoding", b"content-length: 3\r\ntransfer-encoding")
    async with loopback(sends(both, keeps=False)) as server, client.stream(asking(server.url), LIFE) as streamed:
        assert streamed.length is None
        assert await body_of(streamed) == b"first"


@pytest.mark.parametrize(
    "scene",
    [
        pytest.param(sends(answer(BODY)[:-1], keeps=False), id="short of its length"),
        pytest.param(sends(in_chunks(BODY, end=b""), keeps=False), id="without its last chunk"),
        pytest.param(sends(in_chunks(BODY)[:-10], keeps=False), id="within a chunk"),
        pytest.param(sends(in_chunks(BODY, end=b"no hex\r\n"), keeps=False), id="a chunk that is none"),
        pytest.param(resets(answer(BODY)[:500]), id="reset"),
    ],
)
async def test_cut_body_is_never_whole(client, scene):
    """A body that ends early raises, whatever of it came before."""
    async with loopback(scene) as server, client.stream(asking(server.url), LIFE) as streamed:
        with pytest.raises(StreamCutError) as cut:
            await body_of(streamed)
    assert not cut.value.late


async def test_body_may_take_longer_than_the_deadline(client):
    """The deadline ends with the head: a body that goes on coming is read to its end."""
    goes_on = anyio.Event()

    async def scene(stream):
        await stream.send(answer(BODY)[:-1000])
        await goes_on.wait()
        await stream.send(BODY[-1000:])
        return True

    async with loopback(scene) as server, client.stream(asking(server.url, deadline=1.0), 60.0) as streamed:
        parts = [await anext(streamed)]
        await anyio.sleep(1.1)  # longer than the deadline
        goes_on.set()
        parts += [part async for part in streamed]
    assert b"".join(parts) == BODY


async def test_idle_body_is_cut(client):
    """A body of which nothing comes for longer than allowed is cut, and says that it is late; the connection is closed."""
    async with loopback(hangs(answer(BODY)[:-1000])) as server:
        with anyio.fail_after(LIFE):
            async with client.stream(asking(server.url), 0.2) as streamed:
                with pytest.raises(StreamCutError, match=r"within 0\.2 s") as cut:
                    await body_of(streamed)
            await server.gone.wait()
    assert cut.value.late


@pytest.mark.parametrize("scene", [hangs(), hangs(b"HTTP/1.1 200 OK\r\n"), resets()], ids=["nothing", "half a head", "reset"])
async def test_no_head_is_no_answer(client, scene):
    """A head that does not come within the deadline, or never will, is no answer, as for a request that is not streamed."""
    async with loopback(scene) as server, client.stream(asking(server.url, deadline=0.3), LIFE) as streamed:
        assert isinstance(streamed, NoAnswer)


async def test_beginning_of_a_refusal_is_bounded(client):
    """Of the body of a refusal there is as much as is wanted."""
    async with loopback(sends(answer(BODY, 404))) as server, client.stream(asking(server.url), LIFE) as streamed:
        said = await streamed.beginning(1000)
    assert (said.status, said.body, said.truncated) == (404, BODY[:1000], True)


@pytest.mark.parametrize("error", [None, RuntimeError("the reader fails")])
async def test_what_is_not_read_is_no_part_of_the_next_answer(client, error):
    """A reader that leaves or fails in the middle of a body costs the connection: the next answer is another one."""
    big = BODY * 16
    async with loopback(sends(answer(big)), sends(answer(b"second"))) as server:
        try:
            async with client.stream(asking(server.url), LIFE) as streamed:
                await anext(streamed)
                if error:
                    raise error
        except RuntimeError as raised:
            assert raised is error  # noqa: PT017 - not every case raises
        async with client.stream(asking(server.url), LIFE) as streamed:
            assert await body_of(streamed) == b"second"
    assert server.accepts == 2


async def test_slow_reader_holds_the_server_back(client):
    """Of a body that is not read only what sockets buffer is sent: a file of any size costs no memory."""
    part, sent = bytes(1024 * 1024), 0

    async def scene(stream):
        nonlocal sent
        await stream.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % (256 * len(part)))
        for _ in range(256):
            await stream.send(part)
            sent += 1
        return True

    async with loopback(scene) as server, client.stream(asking(server.url), 60.0) as streamed:
        digest, size = hashlib.sha256(), 0
        for _ in range(8):
            digest.update(first := await anext(streamed))
            size += len(first)
        await anyio.sleep(0.2)  # a server without flow control sends all of it meanwhile
        assert sent < 64
        async for each in streamed:
            size += len(each)
    assert size == 256 * len(part)


async def test_as_many_streams_as_connections(client):
    """Streams and requests share the connections: a request waits for its turn while all are streamed, and then goes."""
    goes_on = anyio.Event()

    async def scene(stream):
        await stream.send(answer(b"1234")[:-1])
        await goes_on.wait()
        await stream.send(b"4")
        return True

    async def read(url):
        async with client.stream(asking(url), 60.0) as streamed:
            assert isinstance(streamed, StreamedAnswer)
            bodies.append(await body_of(streamed))

    bodies = []
    async with loopback(scene) as server, anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(read, server.url)
        await anyio.wait_all_tasks_blocked()
        goes_on.set()
    assert bodies == [b"1234"] * 20
