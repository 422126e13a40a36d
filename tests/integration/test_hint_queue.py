"""The hints that wait, and when the poll loop follows them, on simulated time."""

from math import inf
from types import SimpleNamespace

import anyio
import pytest
from simulated_time import SimulatedTime

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.errors.storage_error import StorageError
from tracker.core.health.readiness import Health
from tracker.core.reconciliation.sweep_report import Report
from tracker.metrics import Metrics
from tracker.polling.hint_queue import MOST_WAITING, HintQueue, HintResult
from tracker.polling.poll_loop import EARLIEST_SWEEP, HINTED_AT_ONCE, PollLoop

INTERVAL = 60.0
REFUSED = Failure(Reason.UNAUTHORISED, "refused")


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio", {"loop_factory": SimulatedTime}


class Poller:
    """Has done what it was asked for at once, and remembers when that was."""

    account = "default"

    def __init__(self):
        self.swept, self.hinted, self.failure, self.works = [], [], None, True
        self.takes = 0.0  # seconds for each job
        self.not_ended = set()

    def now(self):
        return 0

    def next_follow_up(self):
        return None

    async def poll_once(self):
        self.swept.append(anyio.current_time())
        return Report(events=0, shown=0, stale=0, malformed=(), failure=self.failure)

    async def get_hinted(self, ids):
        self.hinted.append((anyio.current_time(), *ids))
        await anyio.sleep(self.takes * len(ids))
        if isinstance(self.works, StorageError):
            raise self.works
        return [each for each in ids if each in self.not_ended] if self.works else None


@pytest.fixture
async def world():
    """A poll loop that runs, and its hints."""
    poller, hints = Poller(), HintQueue()
    loop = PollLoop(poller, INTERVAL, Health(["default"]), Metrics(), lambda: 0.5, hints=hints)
    async with anyio.create_task_group() as group:
        group.start_soon(loop.run)
        yield SimpleNamespace(poller=poller, hints=hints, began=anyio.current_time())
        group.cancel_scope.cancel()


async def test_hinted_job_is_polled_at_once(world):
    """It waits for no sweep, and the sweeps come as they would."""
    await anyio.sleep(20)
    assert world.hints.add("a") is HintResult.ACCEPTED
    await anyio.sleep(INTERVAL - 19.5)
    assert world.poller.hinted == [(20.0, "a")]
    assert world.poller.swept == [0.0, INTERVAL]


async def test_a_job_is_polled_once_a_second_at_most(world):
    """Hints of one second are one poll of the job."""
    await anyio.sleep(20)
    for _ in range(300):
        world.hints.add("a")
        await anyio.sleep(0.01)
    await anyio.sleep(5)
    assert [moment for moment, *_ in world.poller.hinted] == pytest.approx([20, 21, 22, 23])


async def test_a_waiting_job_is_hinted_in_vain():
    """A job that waits to be polled is not polled twice."""
    hints = HintQueue()
    assert [hints.add("a") for _ in range(3)] == [HintResult.ACCEPTED, HintResult.REPEATED, HintResult.REPEATED]
    assert hints.take_due(10) == ["a"]
    assert (hints.take_due(10), hints.next_due()) == ([], inf)


async def test_more_jobs_than_a_sweep_costs_begin_a_sweep(world):
    """They are not asked for one by one, and the sweep begins at once, but some seconds after the one before."""
    await anyio.sleep(1)
    results = [world.hints.add(f"job {number}") for number in range(10_000)]
    assert results == [HintResult.ACCEPTED] * MOST_WAITING + [HintResult.OVERFLOW] * (10_000 - MOST_WAITING)
    await anyio.sleep(0.5)
    assert world.hints.add("more") is HintResult.OVERFLOW
    await anyio.sleep(4)
    assert (world.poller.hinted, world.poller.swept) == ([], [0.0, EARLIEST_SWEEP])
    assert world.hints.add("after the sweep") is HintResult.ACCEPTED
    await anyio.sleep(1)
    assert world.poller.hinted == [(5.5, "after the sweep")]


async def test_a_flood_does_not_keep_sweeps_from_coming(world):
    """Ever new jobs are a sweep every few seconds, and between two of them a few polls."""
    world.poller.takes = 1.0
    for number in range(10_000):
        world.hints.add(f"job {number}")
        await anyio.sleep(0.01)
    gaps = [after - before for before, after in zip(world.poller.swept, world.poller.swept[1:], strict=False)]
    assert len(gaps) >= 10
    assert min(gaps) >= EARLIEST_SWEEP
    assert len(world.poller.hinted) <= (len(gaps) + 1) * MOST_WAITING


@pytest.mark.parametrize("is_full", [False, True])
async def test_hints_wait_while_the_api_refuses(world, is_full):
    """After a failed sweep nothing is asked before the next one is due; then what waits is polled."""
    world.poller.failure = REFUSED
    await anyio.sleep(INTERVAL + 1)
    for number in range(MOST_WAITING * 2 if is_full else 1):
        world.hints.add(f"job {number}")
    await anyio.sleep(INTERVAL * 0.75 - 2)
    assert (len(world.poller.swept), world.poller.hinted) == (2, [])
    world.poller.failure = None
    await anyio.sleep(INTERVAL)
    assert world.poller.hinted == [] if is_full else [(world.poller.swept[2], "job 0")]


async def test_a_sweep_that_lacks_a_part_keeps_no_hint_back(world):
    """An API that answers is asked, though one entry of its lists cannot be read."""
    world.poller.failure = Failure(Reason.INCOMPLETE, "an entry is unreadable")
    await anyio.sleep(INTERVAL + 1)
    world.hints.add("a")
    await anyio.sleep(1)
    assert len(world.poller.hinted) == 1


@pytest.mark.parametrize("fails", [False, StorageError("gone")], ids=["api", "database"])
async def test_after_a_failed_poll_of_a_hinted_job_hints_wait(world, fails):
    """The account is refused, or nothing can be recorded: until the next sweep nothing is asked."""
    world.poller.works = fails
    await anyio.sleep(1)
    for number in range(3):
        world.hints.add(f"job {number}")
        await anyio.sleep(2)
    assert len(world.poller.hinted) == 1
    world.poller.works = True
    await anyio.sleep(INTERVAL)
    assert [ids for _, *ids in world.poller.hinted[1:]] == [["job 1", "job 2"]]


async def test_a_job_that_shows_no_end_is_looked_at_twice_more(world):
    """The API may lag behind its webhook; one that lies costs two requests more, and then nothing."""
    world.poller.not_ended = {"a", "b"}
    await anyio.sleep(1)
    world.hints.add("a")
    world.hints.add("b")
    world.hints.add("ended")
    await anyio.sleep(3)
    world.poller.not_ended = {"a"}
    await anyio.sleep(100)
    assert world.poller.hinted == [(1.0, "a", "b", "ended"), (6.0, "a", "b"), (36.0, "a")]


async def test_a_new_hint_starts_the_lookups_again(world):
    """It is followed at once, not only when the next look is due, and the looks that were due are made once."""
    world.poller.not_ended = {"a"}
    await anyio.sleep(1)
    world.hints.add("a")
    await anyio.sleep(6)
    assert world.hints.add("a") is HintResult.ACCEPTED
    await anyio.sleep(200)
    assert [at for at, _ in world.poller.hinted] == [1, 6, 7, 12, 42]


async def test_many_jobs_that_show_no_end_are_looked_at_by_sweeps(world):
    """What one sweep shows costs no request for each job; and what overflows is swept again likewise."""
    world.poller.not_ended = {f"job {number}" for number in range(40)}
    await anyio.sleep(INTERVAL + 20)
    for number in range(MOST_WAITING + 1):
        world.hints.add(f"job {number}")
        await anyio.sleep(0.1)
    await anyio.sleep(INTERVAL)
    assert len(world.poller.hinted) == MOST_WAITING + 1
    assert [round(at - INTERVAL - 20) for at in world.poller.swept[2:]] == [6, 31]
    for number in range(20, 20 + MOST_WAITING + 2):
        world.hints.add(f"job {number}")
    began = anyio.current_time()
    await anyio.sleep(INTERVAL)
    assert [round(at - began) for at in world.poller.swept[4:]] == [0, 5, 30]


async def test_many_hints_are_polled_in_parts(world):
    """Between the parts the loop looks whether a sweep is due."""
    await anyio.sleep(1)
    for number in range(MOST_WAITING):
        world.hints.add(f"job {number}")
    await anyio.sleep(1)
    assert [len(ids) for _, *ids in world.poller.hinted] == [HINTED_AT_ONCE, MOST_WAITING - HINTED_AT_ONCE]
