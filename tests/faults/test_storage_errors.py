"""A disk that fails, is full, read-only, locked or gone: the real command reports it and waits, and nothing is lost."""

import json
import random
import signal
import sqlite3
from contextlib import closing

import anyio
import httpx
import pytest
from breaking import EIO, EROFS, READ, SYNC, WRITE, Fiu, full, held, moved_away, read_only, small_file_system
from matrix import matrix
from planting import WHAT_CANNOT_BE_SETTLED_IS_FORGOTTEN, plant
from recording_receiver import RecordingReceiver, give
from simulated_jobs import begin, end
from tracking import Installation, simulated
from truth import Log
from waiting import until

from tracker.core.deliveries.adaptive_concurrency_per_receiver import MAX_CONCURRENCY

ROUNDS = 6
NOTE = {"note": "x" * 4000}  # jobs that need room


class Trial:
    """A daemon with jobs and a receiver, and what is asked of it while its storage is broken and after it was mended."""

    def __init__(self, simulator, recorder, installation):
        self.simulator, self.recorder, self.installation = simulator, recorder, installation
        self.jobs = begin(simulator, 5, metadata=NOTE)
        self.ended = []

    async def run(self, broken, *, under_way):
        """Break it, and mend it, while deliveries are `under_way` or while none is."""
        async with (
            self.installation.running() as daemon,
            httpx.AsyncClient(base_url=daemon.url, timeout=60) as client,
        ):
            await self.arrived("batch.started", 5)
            await _until(client, lambda reasons: not reasons)
            if under_way:
                self.recorder.answers = anyio.Event()
                self.happens()
                await self.recorder.reads(3)  # of each job its first; what became of them cannot be settled
            with broken(daemon):
                received = len(self.recorder.got)
                self.happens()
                self.recorder.answers.set()
                reasons = await _until(client, lambda reasons: reasons and reasons[0].startswith("storage: "))
                assert (await client.get("/healthz")).status_code == 200
                logged = await daemon.says("storage.failed")
                assert logged["level"] == "error"
                self.happens()
                await anyio.sleep(1.5)  # in which it would try again what it may not
                assert len(self.recorder.got) == received, "sent what is not on disk"
            await _until(client, lambda reasons: not reasons)
            await self.arrived("batch.completed", len(self.ended))
            await self.arrived("batch.started", len(self.jobs) + len(self.ended))
            await daemon.says("storage.recovered")
            assert await daemon.stop(signal.SIGTERM) == 0
        self.check()
        return reasons[0]

    def happens(self):
        """A job ends and two begin, whether or not it can be logged."""
        self.ended.append(self.jobs.pop(0))
        end(self.simulator, self.ended[-1])
        self.jobs += begin(self.simulator, 2, created=0.0, metadata=NOTE)

    async def arrived(self, type_, number):
        with anyio.fail_after(90):
            while len([body for _, body in self.recorder.got if f'"type":"{type_}"'.encode() in body]) < number:
                await self.recorder.reads(seconds=90)

    def check(self):
        """The log is whole, has all that happened, once, and a copy was sent only for an attempt that it has as failed."""
        log = Log(self.installation.database)
        log.has_a_delivery_for_each(self.recorder)
        log.has_all_that_was_received(self.recorder)
        log.was_received(self.recorder, last=len(log.events))
        assert len(self.recorder.ids) - len(set(self.recorder.ids)) <= _failed_attempts(self.installation.database), (
            "sent again"
        )
        of_type = lambda type_: sorted(event["data"]["id"] for event in log.events if event["type"] == type_)  # noqa: E731
        assert of_type("batch.created") == sorted([*self.jobs, *self.ended])
        assert of_type("batch.completed") == sorted(self.ended)


def _failed_attempts(database):
    """How many the log has: an answer that came too late for a machine that was busy is no answer."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute("SELECT count(*) FROM attempts WHERE result <> 'delivered'").fetchone()[0]


async def _until(client, holds, seconds=60):
    """What /readyz says against readiness, once `holds` of it."""
    with anyio.fail_after(seconds):
        while True:
            answer = await client.get("/readyz")
            reasons = answer.json()["reasons"]
            assert answer.status_code == (503 if reasons else 200)
            if holds(reasons):
                return reasons
            await anyio.sleep(0.05)


async def _tried(folder, breaking, bug=None, *, under_way=True):
    """The reason why it was not ready while `breaking` the storage of the daemon, which may have a bug."""
    recorder = RecordingReceiver()
    async with simulated() as simulator, recorder.serving():
        installation = Installation(folder, simulator.url, poll_interval="100ms")
        give(installation, recorder)
        if bug:
            plant(installation, bug)
        return await Trial(simulator, recorder, installation).run(breaking(installation), under_way=under_way)


def _fails(*points, errno=EIO):
    def breaking(installation):
        fiu = Fiu(installation)
        return lambda daemon: fiu.failing(daemon, *points, errno=errno)

    return breaking


@pytest.mark.slow
@pytest.mark.parametrize(
    ("breaking", "said"),
    matrix(
        [
            pytest.param(_fails(SYNC), "disk I/O error", id="EIO on fdatasync"),
            pytest.param(_fails(WRITE), "disk I/O error", id="EIO on pwrite"),
            pytest.param(_fails(WRITE, SYNC, errno=EROFS), "disk I/O error|readonly database", id="read-only while it runs"),
            pytest.param(lambda it: lambda _: held(it.database), "database is locked", id="locked by another"),
            pytest.param(lambda it: lambda _: moved_away(it.database), "moved, deleted or|no such file", id="moved away"),
        ]
    ),
)
@pytest.mark.timeout(240)
async def test_storage_that_fails_is_reported_and_waited_for(tmp_path, breaking, said):
    """Not ready, and says so; nothing is sent that is not in the log; it recovers by itself; nothing is lost or sent twice."""
    reason = await _tried(tmp_path, breaking)
    assert any(words in reason for words in said.split("|")), reason


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_what_could_not_be_synced_is_not_sent(tmp_path):
    """A COMMIT that failed for its sync alone is in the file: what it wrote is sent once that is on disk, and not before."""
    assert "disk I/O error" in await _tried(tmp_path, _fails(SYNC), under_way=False)


@pytest.mark.timeout(240)
async def test_full_disk_is_reported_and_waited_for(tmp_path):
    """The same of a file system without a page left."""
    with small_file_system(tmp_path / "small", "2m") as folder:
        assert "database or disk is full" in await _tried(folder, lambda _: lambda _: full(folder))


@pytest.mark.slow
async def test_storage_that_cannot_be_written_at_the_start_ends_it(tmp_path):
    """On a read-only or a full file system it ends with status 1 and the reason, for systemd to try again; then it runs."""
    with small_file_system(tmp_path / "small", "1m") as folder:
        async with simulated(jobs=5) as simulator:
            installation = Installation(folder, simulator.url)
            for broken in (read_only(folder), full(folder)):
                with broken:
                    done = await installation.command("run")
                last = json.loads(done.stderr.splitlines()[-1])
                assert (done.returncode, last["event"]) == (1, "process.start_failed"), last
                assert str(installation.database) in last["error"]
            async with installation.running() as daemon:
                await installation.wait_for_events(lambda events: len(events) > 5)
                assert await daemon.stop(signal.SIGTERM) == 0
            Log(installation.database)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_what_is_sent_twice_is_found(tmp_path):
    """A product that forgets what became of a delivery where that cannot be written does not stand the trial."""
    with pytest.raises(AssertionError, match="sent again"):
        await _tried(tmp_path, _fails(WRITE), WHAT_CANNOT_BE_SETTLED_IS_FORGOTTEN)


@pytest.mark.long
@pytest.mark.timeout(600)
async def test_a_disk_that_fails_now_and_then(tmp_path):
    """On a disk of which one call in fifty fails nothing is lost or invented; what was under way may come once more."""
    recorder, chance = RecordingReceiver(), random.Random(9)
    async with simulated(speed=60.0, jobs=25, seed=9) as simulator, recorder.serving():
        installation = Installation(tmp_path, simulator.url, poll_interval="50ms", requests_per_second=1000)
        give(installation, recorder)
        fiu = Fiu(installation)
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url, timeout=60) as client:
            outages = 0
            for _ in range(ROUNDS):
                points = chance.sample((SYNC, WRITE, READ), 2)
                with fiu.failing(daemon, *points, errno=EIO, probability=0.02):
                    with anyio.move_on_after(5):
                        await _until(client, bool)
                        outages += 1
                        await anyio.sleep(3)
                await _until(client, lambda reasons: not reasons)
                await recorder.reads()
            last = len(Log(installation.database).events)
            await until(lambda: Log(installation.database).is_delivered_to(last), every=0.2)
            assert await daemon.stop(signal.SIGTERM) == 0
    log = Log(installation.database)
    log.has_a_delivery_for_each(recorder)
    log.has_all_that_was_received(recorder)
    log.was_received(recorder, last=last)
    copies = len(recorder.ids) - len(set(recorder.ids))
    print(f"{outages} outages of {ROUNDS} seen, {len(log.events)} events, {copies} copies")  # noqa: T201 - of a long run
    assert outages > ROUNDS / 2
    assert copies <= ROUNDS * MAX_CONCURRENCY
