"""The real command, killed again and again between sending and settling: nothing is lost, changed or out of order."""

import json
import random
import signal
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing

import anyio
import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from tracking import Installation, simulated

from tracker.core.deliveries.adaptive_concurrency_per_receiver import MAX_CONCURRENCY
from tracker.server.embedded import open_server
from tracker.store.records.stored_events import STORED_EVENT, StoredEvent

RECEIVER = """
[[receivers]]
name = "pipeline"
kind = "webhook"
url = "{url}"
events = ["*"]
retry = ["100ms", "100ms", "200ms", "400ms", "800ms", "1s", "1s", "1s", "1s", "1s"]
hold = "forever"
"""

DELIVERIES = f"""
SELECT e.job, e.backfilled, d.state, d.type, {STORED_EVENT} FROM events AS e LEFT JOIN deliveries AS d ON d.seq = e.seq
ORDER BY e.seq"""  # noqa: S608 - of constants


class Receiver:
    """Keeps the id and the bytes of each request that it has read whole, and answers while `answers` is set."""

    def __init__(self):
        self.got = []
        self.answers = anyio.Event()
        self._arrived = anyio.Event()

    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        try:
            self.got.append((request.headers["webhook-id"], await request.body()))
        except ClientDisconnect:
            return
        self._arrived.set()
        self._arrived = anyio.Event()
        await self.answers.wait()
        await Response()(scope, receive, send)

    async def reads(self, more):
        """Until `more` further requests have come."""
        wanted = len(self.got) + more
        with anyio.fail_after(30):
            while len(self.got) < wanted:
                await self._arrived.wait()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("kills", [16, pytest.param(50, marks=pytest.mark.long)])
async def test_kills_between_sending_and_settling(tmp_path, kills):
    """Every event arrives, its copies are few and the same to the byte, and a job's first arrivals are in the log's order."""
    chance = random.Random(50)
    receiver = Receiver()
    async with simulated(speed=100.0, jobs=40) as simulator, open_server(receiver, "127.0.0.1", 0) as address:
        installation = Installation(tmp_path, simulator.url, poll_interval="100ms")
        with installation.config.open("a") as config:
            config.write(RECEIVER.format(url=address.url + "/hook"))
        for kill in range(kills):
            if kill % 2:  # it is answered, and may not live to know
                receiver.answers.set()
            async with installation.running() as daemon:
                await receiver.reads(chance.randint(1, 5) if kill % 2 else 1)
                assert await daemon.stop(signal.SIGKILL) == -signal.SIGKILL
            receiver.answers.set()
            receiver.answers = anyio.Event()
        receiver.answers.set()
        async with installation.running() as daemon:
            last_seq = len(_log(installation))
            while any(state == "pending" for *_, state, _ in _log(installation)[:last_seq]):
                await receiver.reads(1)
            assert await daemon.stop(signal.SIGTERM) == 0
    log = _log(installation)
    _check_deliveries(log[:last_seq], receiver)
    _check_arrivals(log, receiver, kills)


def _log(installation):
    """The seq, id, job, JSON, whether it was backfilled, state and type of each event, be it stored in its short form."""
    with closing(sqlite3.connect(f"file:{installation.database}?mode=ro", uri=True)) as connection:
        rows = connection.execute(DELIVERIES).fetchall()
    stored = [(row[:4], StoredEvent(*row[4:])) for row in rows]
    wholes = [(event.seq, *event.whole(), row) for row, event in stored]
    return [(seq, id_, job, body, backfilled, state, type_) for seq, id_, body, (job, backfilled, state, type_) in wholes]


def _check_deliveries(log, receiver):
    """Every event that is for the receiver was received, or was progress and superseded."""
    received = {id_ for id_, _ in receiver.got}
    assert len(log) > 100
    for _, id_, _, _, backfilled, state, type_ in log:
        if backfilled:
            assert (state, id_ in received) == (None, False)
        else:
            assert id_ in received or (state, type_) == ("superseded", "batch.progress")
            assert state in ("delivered", "superseded")


def _check_arrivals(log, receiver, kills):
    """Nothing arrived that is not in the log as it is there; copies are few; first arrivals of a job are in order."""
    bodies = {id_: (job, body.encode()) for _, id_, job, body, *_ in log}
    seqs = defaultdict(list)
    for id_, body in receiver.got:
        job, logged = bodies[id_]
        assert body == logged
        seqs[job].append(json.loads(body)["seq"])
    for job, arrivals in seqs.items():
        first = list(dict.fromkeys(arrivals))
        assert first == sorted(first), job
    copies = Counter(id_ for id_, _ in receiver.got)
    assert kills / 2 <= copies.total() - len(copies) <= kills * MAX_CONCURRENCY
