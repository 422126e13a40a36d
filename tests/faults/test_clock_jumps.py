"""A clock that jumps by two days and back under the real command: no storm, no stall, and times as the clock said them."""

import random
import re
import signal
import sqlite3
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager, closing

import anyio
import httpx
import pytest
from planting import NO_CLOCK_IS_FOLLOWED, NO_JUMP_IS_SEEN, plant
from recording_receiver import RecordingReceiver, give
from simulated_jobs import DAY, begin, end
from tracking import Installation, clock, simulated
from truth import Log
from waiting import until
from wrong_clock import WrongClock

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN
from tracker.core.events.event import parse_iso
from tracker.simulator.faults.fault_options import Faults, parse

AHEAD, BEHIND = 2 * DAY, -2 * DAY
BACK_OFF, CIRCUIT = 1, FAILURES_TO_OPEN
"""How many requests fail before the clock jumps."""

PATHS = ("/", "/receivers", "/accounts", "/metrics", "/api/receivers", "/api/deliveries", "/healthz")
LOOK = 3.0
"""Seconds within which there was a sweep, and then a look at whether anything is late."""

JUMPS, RESTARTED = 100, 0.2
REQUESTS, ATTEMPTS = 10, 3
"""A second at most: to the API, which is swept five times, and to the receiver in vain, until it is only probed."""


class DelayedReceiver(RecordingReceiver):
    """Keeps, too, which request was taken, and by when it was signed."""

    def __init__(self):
        super().__init__(events=("batch.*", "account.*"))  # no receiver is notified about itself
        self.taken, self.signed = Counter(), []

    async def __call__(self, scope, receive, send):
        headers = dict(scope["headers"])
        self.signed.append(int(headers[b"webhook-timestamp"]))

        async def answer(message):
            if message["type"] == "http.response.start":
                self.taken[headers[b"webhook-id"].decode()] += message["status"] < 300
            await send(message)

        await super().__call__(scope, receive, answer)


class Trial:
    """A daemon by a wrong clock, jobs that end, and a receiver that fails."""

    def __init__(self, simulator, recorder, installation, wrong):
        self.simulator, self.recorder, self.installation, self.wrong = simulator, recorder, installation, wrong
        self.jobs = begin(simulator, 10)
        self.ended = {}  # when, by the true clock and by the wrong one
        self.late = {"batch.deadline"}  # what may be reported of a stalled job
        self._running = AsyncExitStack()

    @asynccontextmanager
    async def running(self):
        """The daemon runs, or another one after it."""
        async with self._running:
            await self.start()
            yield self
            await self.stop()

    async def start(self):
        self.daemon = await self._running.enter_async_context(self.installation.running())

    async def stop(self):
        assert await self.daemon.stop(signal.SIGTERM) == 0
        await self._running.aclose()
        self._seconds = clock() - self.wrong.settings[0][0]

    async def set(self, off, *, restarted=False):
        """Set the clock, while the daemon runs or while it does not."""
        if restarted:
            self.late.add("batch.stalled")  # who did not run may take a jump for time that passed
            await self.stop()
        self.wrong.set(off)
        if restarted:
            await self.start()

    async def jumps(self, offs, failures, *, restarted, seconds=30.0):
        """The clock is off by each of `offs` in turn, amid failures of the receiver; then all is taken within `seconds`."""
        self.recorder.status = 503
        await self.happens()
        await self.recorder.reads(failures)
        for off in offs:
            await self.set(off, restarted=restarted)
            await self.happens()
            await self.recorder.reads(seconds=seconds)
            await self.is_well()
        self.recorder.status = 204
        await self.arrives(seconds)

    async def happens(self):
        """A job ends, and one begins; the log has both before anything else happens."""
        over, *self.jobs = *self.jobs, *begin(self.simulator, created=0.0)
        end(self.simulator, over)
        self.ended[over] = clock(), clock() + self.wrong.off
        await self.is_logged("batch.completed", self.ended)
        await self.is_logged("batch.started", self.jobs)

    async def is_logged(self, type_, jobs):
        await self.installation.wait_for_events(
            lambda events: {*jobs} <= {_job(each) for each in events if each["type"] == type_}
        )

    async def arrives(self, seconds=30.0):
        """Everything that is in the log by now, within `seconds`."""
        wanted = {each["id"] for each in await self.installation.wait_for_events(len) if self.recorder.wants(each)}
        await until(lambda: wanted <= (+self.recorder.taken).keys(), seconds, every=0.02)

    async def is_well(self):
        """Every page is there, and no number is negative but how far the API's clock is ahead."""
        async with httpx.AsyncClient(base_url=self.daemon.url, timeout=60) as client:
            answers = {path: await client.get(path) for path in PATHS}
        assert {answer.status_code for answer in answers.values()} == {200}
        negative = re.findall(r"^batchtracker\w*(?:\{.*\})? -.*$", answers["/metrics"].text, re.MULTILINE)
        assert [line for line in negative if "_clock_ahead_seconds{" not in line] == []

    def check(self):
        """Nothing is lost, sent twice or out of order; every time is what a clock said; no server got too many requests."""
        log = Log(self.installation.database)
        log.has_a_delivery_for_each(self.recorder)
        log.has_all_that_was_received(self.recorder)
        log.was_received(self.recorder, last=len(log.events))
        assert {*log.states.values()} <= {"delivered", "superseded"}
        assert {*self.recorder.taken.values()} <= {0, 1}, "received twice"
        self._check_events(log.events)
        self._check_times(log.events)
        failed = len(self.recorder.got) - self.recorder.taken.total()
        assert failed <= ATTEMPTS * self._seconds + FAILURES_TO_OPEN * len(self.wrong.settings), "a storm of attempts"
        requests = self.simulator.requests.total()
        assert requests <= REQUESTS * self._seconds + len(self.simulator.workspace.plans), "a storm of requests"
        assert [line for line in self.daemon.lines if "exception" in line] == []

    def __str__(self):
        sets, taken, requests = len(self.wrong.settings), self.recorder.taken.total(), self.simulator.requests.total()
        failed = len(self.recorder.got) - taken
        return (
            f"set {sets} times in {self._seconds:.0f} s: {taken} events received, {failed} attempts failed, {requests} requests"
        )

    def _check_events(self, events):
        """A job begins and ends once, when the provider says; nothing is late, or gone, because a clock jumped."""
        logged = Counter((event["type"], _job(event)) for event in events)
        once = {"batch.created", "batch.started", "batch.completed", *self.late}
        others = {type_ for type_, _ in logged} - {*once, "receiver.failing", "receiver.recovered"}
        assert others == set(), "what is not so"
        assert {count for (type_, _), count in logged.items() if type_ in once} == {1}
        for event in events:
            if event["type"] == "batch.completed":
                ended, by_the_wrong_one = self.ended[_job(event)]
                assert event["created_at"] == event["data"]["completed_at"]
                assert abs(event["created_at"] - ended) <= 2
                assert -1 <= parse_iso(event["observed_at"]) / 1000 - by_the_wrong_one <= 30

    def _check_times(self, events):
        with closing(sqlite3.connect(f"file:{self.installation.database}?mode=ro", uri=True)) as connection:
            attempts = connection.execute("SELECT began_at / 1000.0, ended_at / 1000.0 FROM attempts").fetchall()
        said = [*self.recorder.signed, *(moment for span in attempts for moment in span)]
        said += [parse_iso(event["observed_at"]) / 1000 for event in events]
        assert [moment for moment in said if not self.wrong.has_said(moment)] == []


def _job(event):
    return event["data"].get("id")


@asynccontextmanager
async def trial(folder, bug="", **account):
    """A trial whose daemon runs, and what it was sent and has logged so far has been taken."""
    async with simulated() as simulator, DelayedReceiver().serving() as recorder:
        wrong, installation = WrongClock(folder), Installation(folder, simulator.url, **account)
        wrong.deceive(installation)
        give(installation, recorder, retry=("100ms", *("300ms",) * 60), hold="forever")
        if bug:
            plant(installation, bug)
        async with Trial(simulator, recorder, installation, wrong).running() as it:
            await it.is_logged("batch.started", it.jobs)
            await it.arrives()
            yield it


@pytest.mark.slow
async def test_jumps_and_back(tmp_path):
    """Amid a back-off and an open circuit, across a restart too, a clock that jumps and comes back loses and delays nothing."""
    async with trial(tmp_path) as it:
        await it.jumps([BEHIND, 0.0], BACK_OFF, restarted=False)
        await it.jumps([AHEAD, 0.0], BACK_OFF, restarted=False)
        await it.jumps([AHEAD, 0.0], CIRCUIT, restarted=True)
    it.check()


async def nothing_is_late(folder, bug=""):
    """The clock is two days ahead while jobs do not move, and again while the API fails, which is not long."""
    async with trial(folder, bug, unreachable_after="5m") as it:
        await it.set(AHEAD)
        await anyio.sleep(LOOK)
        await it.set(0.0)
        it.simulator.faults = Faults(parse("500:1"))
        await it.daemon.says("sweep.failed", after=len(it.daemon.lines))
        await it.set(AHEAD)
        await anyio.sleep(LOOK)
        it.simulator.faults = Faults()
        await it.set(0.0)
        await it.happens()
        await it.arrives()
    it.check()


async def test_nothing_is_late_by_a_jump(tmp_path):
    """No job is said to stand still, and no account to be out of reach, because the clock jumped over the time for it."""
    await nothing_is_late(tmp_path)


@pytest.mark.slow
async def test_an_ignored_clock_is_found(tmp_path):
    """A daemon that believes what it noted by the wrong clock delivers what is left two days later."""
    async with trial(tmp_path, NO_CLOCK_IS_FOLLOWED) as it:
        with pytest.raises(TimeoutError):
            await it.jumps([AHEAD, 0.0], BACK_OFF, restarted=False, seconds=5.0)


@pytest.mark.slow
async def test_an_unseen_jump_is_found(tmp_path):
    """A daemon that takes a jump for time that passed reports what did not happen."""
    with pytest.raises(AssertionError, match=r"what is not so|lacks \d+, account.recovered"):  # it may end before that is sent
        await nothing_is_late(tmp_path, NO_JUMP_IS_SEEN)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_many_jumps(tmp_path):
    """A hundred jumps at random, within two days, of a daemon that is restarted now and then."""
    chance = random.Random(96)
    async with trial(tmp_path) as it:
        while len(it.wrong.settings) < JUMPS:
            offs = [float(chance.randint(int(BEHIND), int(AHEAD))) for _ in range(chance.randint(1, 2))]
            await it.jumps(
                [*offs, 0.0], chance.choice((BACK_OFF, CIRCUIT)), restarted=chance.random() < RESTARTED, seconds=60.0
            )
    it.check()
    print(it)  # noqa: T201 - the figures of a long run
