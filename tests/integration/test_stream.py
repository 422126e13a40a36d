"""/api/stream: live, whole, resumable, filtered; slow readers, many readers, and the end."""

import json
import random
import sqlite3
from contextlib import AsyncExitStack, asynccontextmanager, closing

import anyio
import msgspec
import pytest
from job_changes import SINCE, moved, progress, seen, seen_many
from server_samples import LIFE, not_reading
from waiting import until
from web_application import RIGHT, TOKEN, fill, served_application

from tracker.core.queries.filters import EventFilter, read_facts
from tracker.core.text.escaping import escape_json
from tracker.server.connection_limits import ConnectionLimits
from tracker.store.records import log_rows
from tracker.web.api import stream_limits
from tracker.web.stream import broadcast, subscriber
from tracker.web.stream.broadcast import MOST_SUBSCRIBERS
from tracker.web.stream.server_sent_events import event_message

LONG = 60.0
"""Seconds; nothing here takes so long, however slow the machine."""

FILLED_WITH = 100_000


class Follower:
    """A client of the stream: what has arrived, block by block."""

    def __init__(self, chunks):
        self._chunks = chunks
        self._left = b""

    async def block(self):
        """The lines of the next block; None at the end."""
        while b"\n\n" not in self._left:
            chunk = await anext(self._chunks, None)
            if chunk is None:
                assert self._left == b"", "it ended within a block"
                return None
            self._left += chunk
        block, _, self._left = self._left.partition(b"\n\n")
        return block.decode().split("\n")

    async def event(self):
        """The next event: its id, type and JSON; None at the end."""
        while (block := await self.block()) is not None:
            if block[0].startswith("id: "):
                id_, type_, data = (line.partition(": ")[2] for line in block)
                event = json.loads(data)
                assert (int(id_), type_) == (event["seq"], event["type"])
                return event
        return None

    async def seqs(self, number):
        return [(await self.event())["seq"] for _ in range(number)]


@asynccontextmanager
async def followed(app, headers=None, **asked):
    async with app.client.stream("GET", "/api/stream", params=asked, headers=headers, timeout=LONG) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        follower = Follower(answer.aiter_raw())
        assert await follower.block() == ["retry: 2000", ": hello"]
        yield follower


async def log_of(app):
    async with app.reader() as reader:
        return await reader.events(0, EventFilter(), limit=-1)


async def test_each_commit_is_read_once(path):
    """An event reaches a subscriber by the signal of its commit: the log is read as often as it has grown, no oftener."""
    async with served_application(path) as app, followed(app) as follower:
        changes, reads, read_once = progress(seen()), [], app.broadcast.read_once
        app.broadcast.read_once = lambda: reads.append(app.broadcast.end) or read_once()
        await app.store.record("one", [seen(account="one")])
        assert (await follower.event())["seq"] == 1
        with anyio.fail_after(LONG):
            for number in range(30):
                await app.store.record("one", [next(changes)])
                assert (await follower.event())["seq"] == number + 2
    assert len(reads) <= 31


@pytest.mark.slow
async def test_live(path):
    """An event reaches a subscriber within 50 ms of its commit, at every commit, on an idle machine."""
    async with served_application(path) as app, followed(app) as follower:
        changes, delays = progress(seen()), []
        await app.store.record("one", [seen(account="one")])
        assert (await follower.event())["type"] == "batch.created"
        with anyio.fail_after(LONG):
            for _ in range(30):
                await app.store.record("one", [next(changes)])
                committed = anyio.current_time()
                assert (await follower.event())["type"] == "batch.progress"
                delays.append(anyio.current_time() - committed)
    assert sorted(delays)[10] < 0.05


async def test_from_now_on_or_from_anywhere(path):
    """Without a place it begins with what comes, with one behind it; the last that arrived outdoes where one began."""
    async with served_application(path) as app, AsyncExitStack() as stack:
        await app.store.record("one", seen_many(5))
        now = await stack.enter_async_context(followed(app))
        behind = await stack.enter_async_context(followed(app, after=2))
        again = await stack.enter_async_context(followed(app, {"last-event-id": "4"}, after=2))
        assert await behind.seqs(3) == [3, 4, 5]
        assert await again.seqs(1) == [5]
        await app.store.record("one", seen_many(2, "more"))
        for follower in (now, behind, again):
            assert await follower.seqs(2) == [6, 7]


@pytest.mark.parametrize("headers", [{}, {"last-event-id": "9"}], ids=["after", "Last-Event-ID"])
async def test_a_place_beyond_the_log_is_reset(path, headers):
    """A subscriber beyond the log's end learns so at once, whatever the filter, and gets what is logged from then on."""
    async with served_application(path) as app:
        await app.store.record("one", seen_many(5))
        async with followed(app, headers, after=9, type=["batch.failed", "batch.created"]) as follower:
            id_, event, data = await follower.block()
            assert (id_, event) == ("id: 5", "event: reset")
            assert json.loads(data.removeprefix("data: ")) == {"object": "reset", "after": 9, "last_seq": 5}
            await app.store.record("one", seen_many(2, "more"))
            assert await follower.seqs(2) == [6, 7]
        async with followed(app, {"last-event-id": "7"}) as follower:
            await app.store.record("one", seen_many(1, "again"))
            assert await follower.seqs(1) == [8], "the end itself is not beyond it"


WANTED = [
    {"type": ["*.completed", "batch.st*"]},
    {"job": "id-4"},
    {"account": "two"},
    {"status": ["RUNNING"], "model": "<*"},
    {"since": "2025-06-15T15:06:45Z", "until": "2025-06-15T15:06:50Z"},
]


@pytest.mark.parametrize("asked", WANTED, ids=str)
async def test_filters_are_those_of_the_log(path, asked):
    """What the stream gives live, from memory and from the log is what /api/events gives for the same filter."""
    async with served_application(path) as app:
        async with followed(app, **asked) as live:
            await fill(app.store)
            page = (await app.get("/api/events", params=asked | {"limit": 1000})).json()["data"]
            assert page
            assert [await live.event() for _ in page] == page
        async with followed(app, after=0, **asked) as late:
            assert [await late.event() for _ in page] == page


async def test_one_query_for_all(path, monkeypatch):
    """Thirty subscribers that keep up cost a commit one query and one encoding: the log is read once for all."""
    async with served_application(path) as app, AsyncExitStack() as stack:
        followers = [await stack.enter_async_context(followed(app)) for _ in range(30)]
        read, made = [], []
        lend, make = app.broadcast._reader, broadcast.event_message
        monkeypatch.setattr(app.broadcast, "_reader", lambda: read.append(1) or lend())
        monkeypatch.setattr(broadcast, "event_message", lambda *event: made.append(1) or make(*event))
        monkeypatch.setattr(subscriber, "event_message", lambda *_: pytest.fail("a subscriber reads the log on its own"))
        for number in range(10):
            await app.store.record("one", seen_many(3, f"job-{number}"))
        expected = [seq for seq, _ in await log_of(app)]
        for follower in followers:
            assert await follower.seqs(30) == expected
    assert len(read) <= 11
    assert len(made) == 30


async def test_resuming_wherever_it_breaks(path, monkeypatch):
    """However often it breaks off and comes again, while the log grows, each event arrives once and in order."""
    monkeypatch.setattr(broadcast, "MOST_BUFFERED", 3000)
    monkeypatch.setattr(subscriber, "_READ_AT_ONCE", 7)
    monkeypatch.setattr(subscriber, "MOST_CHUNK_BYTES", 2000)
    rng, arrived, total = random.Random(7), [], 400
    async with served_application(path) as app, anyio.create_task_group() as group:

        async def log():
            for number in range(total // 5):
                await app.store.record("one", seen_many(5, f"job-{number}"))

        group.start_soon(log)
        with anyio.fail_after(LONG):
            while len(arrived) < total:
                async with followed(app, {"last-event-id": str(arrived[-1])} if arrived else None, after=0) as follower:
                    arrived += await follower.seqs(min(rng.randrange(1, 60), total - len(arrived)))
    assert arrived == list(range(1, total + 1))


def filled(path):
    """A log of many events, written as fast as SQLite can: none is delivered."""
    event = seen(account="one").events[0]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER events_never_replaced")
        connection.executemany(
            "INSERT INTO events VALUES (?, ?, 'batch.created', 'one', 'job-1', 1, ?, 0, ?, NULL)",
            ((seq, f"evt_{seq}", event.observed_at, _body(event, seq)) for seq in range(1, FILLED_WITH + 1)),
        )


def _body(event, seq):
    return msgspec.json.encode(msgspec.structs.replace(event, seq=seq, id=f"evt_{seq}")).decode()


@pytest.mark.slow
async def test_after_a_hundred_thousand_missed_events(path):
    """Who missed 100,000 events is given every one of them, breaks off half-way and goes on, and joins what is live."""
    async with served_application(path) as app:
        filled(path)
        arrived, most = [], 0
        with anyio.fail_after(LONG):
            for stop in (FILLED_WITH // 2, FILLED_WITH + 3):
                seen_id = {"last-event-id": str(arrived[-1])} if arrived else None
                async with app.client.stream("GET", "/api/stream?after=0", headers=seen_id, timeout=LONG) as answer:
                    left = b""
                    async for chunk in answer.aiter_raw():
                        *blocks, left = (left + chunk).split(b"\n\n")
                        arrived += [int(block[4 : block.index(b"\n")]) for block in blocks if block.startswith(b"id: ")]
                        most = max(most, app.broadcast._buffered_bytes)
                        if len(arrived) == FILLED_WITH and stop > FILLED_WITH:
                            await app.store.record("one", seen_many(3))
                        if len(arrived) >= stop:
                            break
                arrived = arrived[:stop]
        assert arrived == list(range(1, FILLED_WITH + 4))
        assert most < broadcast.MOST_BUFFERED


async def test_a_burst_larger_than_what_is_kept(path, monkeypatch):
    """Of a burst only the newest is kept in memory; who follows is given all of it from the log."""
    monkeypatch.setattr(broadcast, "MOST_BUFFERED", 20_000)
    async with served_application(path) as app, followed(app) as follower:
        await app.store.record("one", seen_many(500))
        assert await follower.seqs(500) == list(range(1, 501))
        assert app.broadcast._buffered_bytes <= 20_000
        assert app.broadcast._buffered_bytes == sum(len(each.content) for each in app.broadcast._buffer)
        assert [each.seq for each in app.broadcast._buffer] == list(range(app.broadcast.start + 1, 501))


async def test_keep_alives(path, monkeypatch):
    """A subscriber gets keep-alives while no event matches its filter, however many others are logged."""
    monkeypatch.setattr(subscriber, "KEEP_ALIVE_INTERVAL", 0.2)
    async with served_application(path) as app, followed(app, type="account.*") as follower, anyio.create_task_group() as group:

        async def log():
            for number in range(1000):
                await app.store.record("one", [seen(f"job-{number}")])

        group.start_soon(log)
        with anyio.fail_after(LIFE * 2):
            for _ in range(3):
                assert await follower.block() == [": still here"]
        group.cancel_scope.cancel()


@pytest.mark.slow
async def test_a_slow_reader(path):
    """A client that does not read is dropped and slows no other; others get everything meanwhile, and it can resume."""
    async with served_application(path, limits=ConnectionLimits(write_timeout=0.5)) as app, followed(app) as quick:
        address = app.client.base_url.host, app.client.base_url.port
        with not_reading(address, b"GET /api/stream HTTP/1.1\r\nhost: localhost\r\n\r\n"), anyio.fail_after(LONG):
            await until(lambda: app.broadcast.subscribers == 2)
            number = 0
            while app.broadcast.subscribers == 2:
                await app.store.record("one", [seen(f"job-{number}", metadata={"large": "x" * 50_000})])
                number += 1
                assert (await quick.event())["seq"] == number
        async with followed(app, after=1) as again:
            assert await again.seqs(number - 1) == list(range(2, number + 1))


def client(number):
    """The headers of a client as a proxy on this machine passes them on."""
    return {"x-forwarded-for": f"203.0.113.1, 192.0.2.{number}"}


async def test_a_cap(path):
    """The number of subscribers is limited; one more gets 503 with Retry-After, and a place once one has gone."""
    async with served_application(path) as app, AsyncExitStack() as stack:
        app.broadcast.most_subscribers = 5
        first = AsyncExitStack()
        await first.enter_async_context(followed(app, client(0)))
        for number in range(1, 5):
            await stack.enter_async_context(followed(app, client(number)))
        answer = await app.get("/api/stream", headers=client(5))
        assert (answer.status_code, answer.json()["detail"]) == (503, "there are 5 streams already, which is the limit")
        assert answer.headers["retry-after"] == "10"
        await first.aclose()
        await until(lambda: app.broadcast.subscribers == 4)
        async with followed(app, client(5)):
            pass
    assert 100 < MOST_SUBSCRIBERS < ConnectionLimits().connections


async def test_one_client_does_not_take_every_place(path, monkeypatch):
    """A client has a part of the places; others follow all the same: by address, by what a proxy here says, by session."""
    monkeypatch.setattr(stream_limits, "MOST_PER_CLIENT", 2)
    async with served_application(path, token=TOKEN) as app, AsyncExitStack() as stack:
        login = await app.post("/login", data={"token": TOKEN})
        app.client.cookies.clear()
        session = {"cookie": login.headers["set-cookie"].partition(";")[0]}
        clients = (RIGHT, RIGHT | client(1), RIGHT | client(2), session, RIGHT | {"x-forwarded-for": "2001:db8::1"})
        for headers in clients:
            first = AsyncExitStack()
            await first.enter_async_context(followed(app, headers))
            await stack.enter_async_context(followed(app, headers))
            answer = await app.get("/api/stream", headers=headers)
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "10")
            assert answer.json()["detail"] == "this client has 2 streams already, which is its limit"
            before = app.broadcast.subscribers
            await first.aclose()
            await until(lambda before=before: app.broadcast.subscribers == before - 1)
            await stack.enter_async_context(followed(app, headers))
        neighbor = RIGHT | {"x-forwarded-for": "2001:db8::2"}
        assert (await app.get("/api/stream", headers=neighbor)).status_code == 429, "who has one address has its network"


async def test_a_stream_ends_with_its_session(path):
    """What was opened by a login is given nothing once that is over, though its connection stays."""
    async with served_application(path, token=TOKEN) as app:
        login = await app.post("/login", data={"token": TOKEN})
        app.client.cookies.clear()
        session = {"cookie": login.headers["set-cookie"].partition(";")[0]}
        async with followed(app, session) as follower, followed(app, RIGHT) as other:
            await app.store.record("one", seen_many(1))
            assert await follower.seqs(1) == await other.seqs(1) == [1]
            await app.post("/logout", headers=session | {"sec-fetch-site": "same-origin"})
            await app.store.record("one", seen_many(1, "more"))
            assert await other.seqs(1) == [2]
            assert await follower.event() is None


async def test_the_end(path):
    """When the server stops every stream ends as a whole answer, at once, and none is cut off."""
    ended = []

    async def follow(app, started):
        async with followed(app) as follower:
            started.release()
            ended.append(await follower.event())

    began = []
    async with (
        anyio.create_task_group() as group,
        served_application(path, limits=ConnectionLimits(shutdown_grace=30.0)) as app,
    ):
        started = anyio.Semaphore(0)
        for _ in range(20):
            group.start_soon(follow, app, started)
        for _ in range(20):
            await started.acquire()
        began.append(anyio.current_time())
        app.broadcast.close()
        await until(lambda: len(ended) == 20)
    assert ended == [None] * 20
    assert anyio.current_time() - began[0] < LIFE


async def test_a_log_that_cannot_be_read(path, monkeypatch):
    """A log that cannot be read ends no daemon: it is looked at again, and who follows misses nothing."""
    monkeypatch.setattr(broadcast, "PAUSE_AFTER_STORAGE_ERROR", 0.05)
    failed, arrived = [], b""
    async with served_application(path) as app, anyio.create_task_group() as group:

        @asynccontextmanager
        async def failing():
            async with app.reader() as reader:
                if len(failed) < 3:
                    failed.append(1)
                    await reader._all("SELECT nonsense")
                yield reader

        again = broadcast.Broadcast(failing, app.store.wakeups.log_grown)
        again.subscribers = 1
        group.start_soon(again.run)
        await app.store.record("one", seen_many(3))
        follower = subscriber.Subscriber(again, app.reader, EventFilter(), 0)
        with anyio.fail_after(LONG):
            while arrived.count(b"\nevent: ") < 3:
                arrived += await follower.next_chunk()
        assert len(failed) == 3
        assert follower.after == 3
        group.cancel_scope.cancel()


async def test_what_is_not_followed_costs_nothing(path):
    """Without subscribers no event is read, and a later subscriber gets what comes from then on."""
    async with served_application(path) as app:
        change = seen(account="one")
        await app.store.record("one", [change])
        await app.store.record("one", [moved(change, now=SINCE + 1, status="RUNNING")])
        await until(lambda: app.broadcast.end == 2)
        assert (app.broadcast._buffer, app.broadcast._buffered_bytes) == ([], 0)
        head = await app.client.head("/api/stream")
        assert (head.status_code, head.content, head.headers["content-type"]) == (200, b"", "text/event-stream; charset=utf-8")
        assert (await app.get("/api/stream?after=x")).status_code == 422
        assert (await app.get("/api/stream", headers={"last-event-id": "x"})).status_code == 422
        assert app.broadcast.subscribers == 0


def test_a_message_is_one_event():
    """Whatever a job holds, its event is three lines: nothing of it ends the event, or begins another."""
    hostile = "\n\nid: 99\r\ndata: x\r\r\u2028\u0085\0"
    (event,) = seen("job-1", metadata={hostile: hostile}, model=hostile).events
    body = msgspec.json.encode(event).decode()
    message = event_message(7, body)
    assert message.content.count(b"\n") == 4
    assert b"\r" not in message.content
    assert message.content == f"id: 7\nevent: batch.created\ndata: {escape_json(body)}\n\n".encode()
    assert message.facts == read_facts(body)


@pytest.mark.parametrize("as_stored", ["now", "by an earlier version"], ids=["stored escaped", "stored raw"])
async def test_usual_readers_of_lines_and_terminals_take_what_is_sent(path, monkeypatch, as_stored):
    """U+0085, U+2028 and U+2029 in metadata break no reader that splits there, nothing acts on a terminal: stream and API."""
    if as_stored != "now":
        monkeypatch.setattr(log_rows, "encode_event", lambda event: msgspec.json.encode(event).decode())
    hostile = "\x85\u2028\u2029\x7f\x9b31m\u202e"
    async with served_application(path) as app:
        await app.store.record("one", [seen(account="one", metadata={hostile: hostile})])
        (raw,) = [body for _, body in await log_of(app)]
        assert (hostile in raw) == (as_stored != "now")
        async with app.client.stream("GET", "/api/stream", params={"after": 0}, timeout=LONG) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    assert json.loads(line.removeprefix("data: "))["data"]["metadata"] == {hostile: hostile}
                    break
        for url in ("/api/events?after=0", "/api/jobs"):
            text = (await app.client.get(url)).text
            assert text.isprintable()
            assert r"\u2028\u2029" in text
