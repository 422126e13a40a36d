"""New deliveries that a commit hands over: sent without a look at the outbox, and only where a claim would send them."""

from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.lowlevel import checkpoint
from delivery_world import BEGAN, DeliveryWorld, a_job
from storage_engines import ON_EACH

from tracker.core.deliveries.adaptive_concurrency_per_receiver import MAX_CONCURRENCY
from tracker.core.deliveries.delivery import DeliveryPolicy, Outcome, Result
from tracker.core.deliveries.replay import Replay
from tracker.core.errors.storage_error import StorageError
from tracker.delivery.deliverer import Deliverer
from tracker.delivery.global_concurrency_limit import GlobalConcurrencyLimit
from tracker.http.rate_limiter import RateLimiter

DELIVERED = Outcome(result=Result.DELIVERED, status=204)
REFUSED = Outcome(result=Result.SERVER, status=500)
PAUSE = Outcome(result=Result.RATE_LIMITED, status=429, retry_after=60.0)
LIFE = 30.0


class Notifier:
    """Answers each delivery at once, or when `answer` is called for its job, if that is one of those that `wait`."""

    def __init__(self):
        self.sent = []  # (job, type) of each attempt
        self.wait = set()
        self.is_slow_to_begin = False
        self._answers = {}
        self._changed = anyio.Event()

    async def send(self, message):
        if self.is_slow_to_begin:
            await anyio.sleep_forever()
        for delivery in message:
            job = delivery.stream.partition("/")[2]
            self.sent.append((job, delivery.type.partition(".")[2]))
        self._changed.set()
        self._changed = anyio.Event()
        return await self._answer(job) if job in self.wait else DELIVERED

    async def _answer(self, job):
        while job not in self._answers:
            await self._changed.wait()
        return self._answers.pop(job)

    def answer(self, job, outcome=DELIVERED):
        self._answers[job] = outcome
        self._changed.set()
        self._changed = anyio.Event()

    async def has_sent(self, *jobs):
        """Until as many attempts were made, for these jobs in any order."""
        while len(self.sent) < len(jobs):
            await self._changed.wait()
        assert sorted(job for job, _ in self.sent) == sorted(jobs)


class Dispatching(DeliveryWorld):
    """A deliverer that runs and has nothing to do; `looks` is how often it has read what is due since then."""

    @asynccontextmanager
    async def running(self, *, digest=0, **limits):
        async with self.with_receivers(pipeline="http://127.0.0.1:1"):
            self.notifier, self.looks = Notifier(), 0
            self._count_looks()
            self.policy = DeliveryPolicy(retry=(5.0, 60.0), hold=900.0, digest=digest)
            self.deliverer = self.new_deliverer(**limits)
            self._note_waits()
            with anyio.fail_after(LIFE):
                async with anyio.create_task_group() as group:
                    group.start_soon(self._run)
                    await self.idle()
                    self.looks = 0
                    yield self
                    group.cancel_scope.cancel()

    async def _run(self):
        self.ended = anyio.Event()
        with anyio.CancelScope() as self.process:
            await self.deliverer.run()
        self.ended.set()

    def new_deliverer(self, **limits):
        outbox, wakeups = self.store.outbox, self.store.wakeups
        return Deliverer("pipeline", self.policy, self.notifier, outbox, wakeups, now=self.clock, jitter=lambda: 0.5, **limits)

    async def idle(self):
        """Until all is settled, and the deliverer waits."""
        while not self.deliverer._under_way.is_all or self.deliverer._under_way or self.deliverer._settling._ended:
            await checkpoint()

    async def rested(self):
        """Until the deliverer waits for a change that has not come, and what was begun is."""
        await anyio.wait_all_tasks_blocked()
        while self._waits_for is None or self._waits_for.is_set():
            await checkpoint()

    def _note_waits(self):
        wait, self._waits_for = self.deliverer._wait_for_change, None

        async def noted(changed, seconds):
            self._waits_for = changed
            await wait(changed, seconds)
            self._waits_for = None

        self.deliverer._wait_for_change = noted

    def _count_looks(self):
        claim = self.store.outbox.claim

        async def counted(*arguments):
            self.looks += 1
            return await claim(*arguments)

        self.store.outbox.claim = counted

    async def states(self):
        return [state for (state,) in await self.rows("state")]


@pytest.fixture
def world(database):
    return Dispatching(database, events=("batch.*",))


@ON_EACH
async def test_idle_receiver_is_sent_what_is_new_without_a_look(world):
    """One after the other, and several of one commit: each is sent once and settled, and nothing is claimed."""
    async with world.running():
        for number in range(3):
            await world.record(a_job(f"job-{number}", "QUEUED"))
            await world.idle()
        await world.record(*[a_job(f"more-{number}", "QUEUED") for number in range(MAX_CONCURRENCY)])
        await world.idle()
        assert world.looks == 0
        assert len(world.notifier.sent) == len(set(world.notifier.sent)) == 3 + MAX_CONCURRENCY
        assert await world.states() == ["delivered"] * (3 + MAX_CONCURRENCY)


@ON_EACH
async def test_what_follows_in_its_stream_waits(world):
    """The next event of a job that is under way is not sent before that is settled, be it of the same commit or a later one."""
    async with world.running():
        world.notifier.wait = {"a", "b"}
        await world.record(a_job("a", "QUEUED"))
        await world.record(a_job("b", "RUNNING"))  # created, and started
        await world.notifier.has_sent("a", "b")
        await world.record(a_job("a", "RUNNING"))
        await world.rested()
        await world.notifier.has_sent("a", "b")
        world.notifier.wait = set()
        for job in ("a", "b"):
            world.notifier.answer(job)
        await world.idle()
        assert sorted(world.notifier.sent) == [("a", "created"), ("a", "started"), ("b", "created"), ("b", "started")]
        assert await world.states() == ["delivered"] * 4


async def test_others_go_out_while_one_is_under_way(world):
    """A receiver that is slow with one event gets the next ones of other jobs without a look."""
    async with world.running():
        world.notifier.wait = {"a"}
        await world.record(a_job("a", "QUEUED"))
        await world.record(a_job("b", "QUEUED"))
        await world.notifier.has_sent("a", "b")
        assert world.looks == 0
        world.notifier.answer("a")
        await world.idle()


async def test_superseded_progress_under_way_holds_back_what_supersedes_it(world):
    """Newer progress waits for the older one that is being sent, though that is not pending any more."""
    async with world.running():
        await world.record(a_job("a", "RUNNING"))
        await world.idle()
        world.notifier.wait, world.notifier.sent = {"a"}, []
        await world.record(a_job("a", "RUNNING", completed_requests=1))
        await world.record(a_job("a", "RUNNING", completed_requests=2))
        await world.rested()
        await world.notifier.has_sent("a")
        world.notifier.wait = set()
        world.notifier.answer("a")
        await world.idle()
        assert world.notifier.sent == [("a", "progress")] * 2


@pytest.mark.parametrize("outcome", [REFUSED, PAUSE], ids=["refused", "pause"])
async def test_failure_is_looked_after_before_anything_new(world, outcome, monkeypatch):
    """While a failure is being settled nothing new begins: it may be a wish for a pause, which is then kept."""
    settle, settling, settled = None, anyio.Event(), anyio.Event()

    async def slow(*arguments):
        settling.set()
        await settled.wait()
        return await settle(*arguments)

    async with world.running():
        settle = world.store.outbox.settle
        monkeypatch.setattr(world.store.outbox, "settle", slow)
        world.notifier.wait = {"a"}
        await world.record(a_job("a", "QUEUED"))
        await world.notifier.has_sent("a")
        world.notifier.answer("a", outcome)
        await settling.wait()
        await world.record(a_job("b", "QUEUED"))
        await anyio.wait_all_tasks_blocked()
        await world.notifier.has_sent("a")
        settled.set()
        if outcome is REFUSED:
            await world.notifier.has_sent("a", "b")
        else:
            while (await world.store.outbox.circuit("pipeline")).quiet_until != BEGAN + 60_000:
                await world.store.wakeups.deliveries_changed("pipeline").wait()
            await world.rested()
            await world.record(a_job("c", "QUEUED"))
            await world.rested()
            await world.notifier.has_sent("a")


async def test_failed_attempt_that_is_not_settled_yet_is_known(world):
    """Where an attempt has failed in the very moment of the commit, the wish for a pause counts too."""
    async with world.running():
        world.notifier.wait = {"a"}
        await world.record(a_job("a", "QUEUED"))
        deliverer = world.deliverer
        while not deliverer._settling._ended:
            world.notifier.answer("a", PAUSE)
            await checkpoint()
        world.store.wakeups.deliveries_added("pipeline", unexpected())
        await world.rested()
        await world.notifier.has_sent("a")


def unexpected():
    """New deliveries, none of which may be asked for."""
    raise AssertionError("asked for")
    yield


async def test_what_waits_for_its_retry_holds_back_its_stream(world):
    """A later event of a job whose delivery has failed is not sent before it."""
    async with world.running():
        world.notifier.wait = {"a"}
        await world.record(a_job("a", "QUEUED"))
        world.notifier.answer("a", REFUSED)
        await settled_as(world, [("pending", 1)])
        world.notifier.wait = set()
        await world.record(a_job("a", "RUNNING"))
        await world.record(a_job("b", "QUEUED"))
        await world.notifier.has_sent("a", "b")
        world.now += 5_000
        world.store.wakeups.wake_all_deliverers()
        await world.idle()
        assert [type_ for job, type_ in world.notifier.sent if job == "a"] == ["created", "created", "started"]


async def settled_as(world, wanted):
    while await world.rows("state, attempts") != wanted:
        await checkpoint()


async def test_replayed_delivery_goes_first(world):
    """What a command has made pending again holds back what is new in its stream, also before the deliverer has looked."""
    async with world.running():
        await world.record(a_job("a", "QUEUED"))
        await world.idle()
        world.notifier.sent.clear()
        world.notifier.wait = {"a"}
        await world.store.replay(Replay(receiver="pipeline", seq=1), world.now)
        world.store.wakeups.wake_deliverers(["pipeline"])
        await world.record(a_job("a", "RUNNING"))
        await world.rested()
        assert world.notifier.sent == [("a", "created")]
        world.notifier.wait = set()
        world.notifier.answer("a")
        await world.idle()
        assert world.notifier.sent == [("a", "created"), ("a", "started")]


@pytest.mark.parametrize(
    "limits",
    [lambda: {"rate_limit": RateLimiter(0.001)}, lambda: {"concurrency_limit": GlobalConcurrencyLimit(1)}],
    ids=["rate of the receiver", "all receivers"],
)
async def test_limits_hold_for_what_is_new(world, limits):
    """The receiver's rate and the limit of all receivers let as many begin as if they had been claimed."""
    async with world.running(**limits()):
        world.notifier.wait = {"a", "b"}
        await world.record(a_job("a", "QUEUED"))
        await world.record(a_job("b", "QUEUED"))
        await world.rested()
        await world.notifier.has_sent("a")


async def test_what_has_ended_leaves_its_room_to_others(world):
    """A receiver counts among all with what it has under way, handed over or not, and with nothing once that is settled."""
    limit = GlobalConcurrencyLimit(100)
    async with world.running(concurrency_limit=limit):
        world.notifier.wait = {"a"}
        await world.record(a_job("a", "QUEUED"))
        assert limit.reserve("another", 0, 100) == 99
        limit.record("another", 0)
        world.notifier.answer("a")
        await world.idle()
        await world.rested()
        assert limit.reserve("another", 0, 100) == 100


async def test_more_than_one_receiver_gets_at_a_time_is_claimed(world):
    """Of a commit of more deliveries than that none is lost, sent twice or sent beyond the limit."""
    jobs = [f"job-{number}" for number in range(3 * MAX_CONCURRENCY)]
    async with world.running():
        world.notifier.wait = set(jobs)
        await world.record(*[a_job(job, "QUEUED") for job in jobs])
        while len(world.notifier.sent) < MAX_CONCURRENCY:
            await checkpoint()
        await world.rested()
        assert len(world.notifier.sent) == MAX_CONCURRENCY
        world.notifier.wait = set()
        for job in jobs:
            world.notifier.answer(job)
        await world.idle()
        await world.notifier.has_sent(*jobs)


async def test_digest_is_made_of_what_has_gathered(world):
    """A receiver with digests gets those of a burst as one message: what is new is claimed with the rest."""
    async with world.running(digest=2):
        await world.record(*[a_job(f"job-{number}", "QUEUED") for number in range(3)])
        await world.idle()
        assert (world.looks > 0, len(await world.rows("DISTINCT began_at, result", "attempts"))) == (True, 1)
        assert await world.states() == ["delivered"] * 3


@pytest.mark.parametrize("back", [1, 60_000])
async def test_clock_that_was_set_back_is_adjusted_first(world, back):
    """What is new is not sent by a clock of before its last reading: the loop sets the waits back, and claims it."""
    async with world.running():
        world.now -= back
        await world.record(a_job("a", "QUEUED"))
        await world.notifier.has_sent("a")
        assert world.looks > 0


async def test_what_is_not_due_yet_is_left_to_its_time(world):
    """An event of a moment to come, by the clock of the deliverer, is claimed then."""
    async with world.running():
        world.now += 10_000
        jobs = a_job("a", "QUEUED")
        await world.record(jobs)
        await world.idle()
        world.notifier.sent.clear()
        world.deliverer._now = lambda: world.now - 5_000
        world.deliverer._last_now = 0
        await world.record(a_job("b", "QUEUED"))
        await world.rested()
        assert world.notifier.sent == []
        world.deliverer._now = world.clock
        world.store.wakeups.wake_all_deliverers()
        await world.notifier.has_sent("b")


@ON_EACH
async def test_stopped_deliverer_takes_nothing(world):
    """Once it is to stop, what is new is left to its successor, who finds it in the outbox."""
    async with world.running():
        world.notifier.wait = {"a"}
        await world.record(a_job("a", "QUEUED"))
        await world.notifier.has_sent("a")
        world.deliverer.stop()
        await world.rested()
        await world.record(a_job("b", "QUEUED"))
        await world.rested()
        await world.notifier.has_sent("a")
        world.notifier.answer("a")
        await settled_as(world, [("delivered", 0), ("pending", 0)])
        await world.record(a_job("c", "QUEUED"))
        await world.new_deliverer().deliver_due()
        await world.notifier.has_sent("a", "b", "c")


@ON_EACH
async def test_killed_between_the_commit_and_the_first_byte(world):
    """What was handed over and never sent is in the outbox as any other: the next process sends it, once."""
    async with world.running():
        world.notifier.is_slow_to_begin = True
        await world.record(a_job("a", "QUEUED"))
        assert [*world.deliverer._under_way] == [1]
        world.process.cancel()
        await world.ended.wait()
        assert (world.notifier.sent, await world.states()) == ([], ["pending"])
        world.notifier.is_slow_to_begin = False
        await world.new_deliverer().deliver_due()
        assert (world.notifier.sent, await world.states()) == ([("a", "created")], ["delivered"])


async def test_nothing_new_is_sent_while_attempts_cannot_be_settled(world, monkeypatch):
    """As long as what became of an attempt is not written, nothing else is sent; then it goes out."""
    monkeypatch.setattr("tracker.delivery.deliverer.PAUSE_AFTER_STORAGE_ERROR", 0.01)
    failed, works = anyio.Event(), False

    async def fails(*arguments):
        if works:
            return await settle(*arguments)
        failed.set()
        raise StorageError("planted")

    async with world.running():
        settle = world.store.outbox.settle
        monkeypatch.setattr(world.store.outbox, "settle", fails)
        await world.record(a_job("a", "QUEUED"))
        await failed.wait()
        await world.record(a_job("b", "QUEUED"))
        await anyio.sleep(0.05)  # several rounds of it
        await world.notifier.has_sent("a")
        works = True
        await world.notifier.has_sent("a", "b")


async def test_disabled_receiver_gets_nothing_new(world):
    """A receiver that has answered 410 is sent nothing, however idle it is."""
    async with world.running():
        world.notifier.wait = {"a"}
        await world.record(a_job("a", "QUEUED"))
        world.notifier.answer("a", Outcome(result=Result.GONE, status=410))
        while not (await world.store.outbox.circuit("pipeline")).disabled:
            await checkpoint()
        await world.record(a_job("b", "QUEUED"))
        await world.rested()
        await world.notifier.has_sent("a")


async def test_receiver_that_takes_the_last_one_gets_nothing_new(world, monkeypatch):
    """A 2xx that wishes to be disabled counts from its answer on, before it is settled."""
    settling, settled = anyio.Event(), anyio.Event()

    async def slow(*arguments):
        settling.set()
        await settled.wait()
        return await settle(*arguments)

    async with world.running():
        settle = world.store.outbox.settle
        monkeypatch.setattr(world.store.outbox, "settle", slow)
        world.notifier.wait = {"a"}
        await world.record(a_job("a", "QUEUED"))
        world.notifier.answer("a", Outcome(result=Result.DELIVERED, status=200, disables=True))
        await settling.wait()
        await world.record(a_job("b", "QUEUED"))
        settled.set()
        await world.rested()
        await world.notifier.has_sent("a")
