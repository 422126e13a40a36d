"""The pace of an account: its budget, and the pauses that the API asked for; each moment exact, in simulated time."""

import math

import anyio
import pytest
from anyio.lowlevel import checkpoint
from simulated_time import SimulatedTime

from tracker.core.ports.notifier import AttemptCancelled
from tracker.http.rate_limiter import RateLimiter
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.liveness import Loop

LIFE = 5.0
SLACK = 1e-6
"""Seconds that rounding may take away, or add."""


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio", {"loop_factory": SimulatedTime}


async def turns(rate_limiter, count, given):
    """Take `count` turns at once, in a known order; `given` gets when each came, and whose it was."""

    async def take(who):
        await rate_limiter.acquire()
        given.append((anyio.current_time(), who))

    with anyio.fail_after(LIFE):
        async with anyio.create_task_group() as group:
            for who in range(count):
                group.start_soon(take, who)


def most_within(times, seconds):
    """The most of `times` that lie within `seconds` of each other."""
    return max(sum(0 <= other - time < seconds - SLACK for other in times) for time in times)


@pytest.mark.parametrize(("rate", "count"), [(5, 9), (20, 30), (100, 150), (2.5, 5), (1, 2), (0.5, 1)])
async def test_rate_is_kept(rate, count):
    """Of many turns a second's worth comes at once, and the others no faster than the rate."""
    rate_limiter, given = RateLimiter(rate), []
    began = anyio.current_time()
    await turns(rate_limiter, count, given)
    times = [time for time, _ in given]
    burst = max(1.0, rate)
    assert [time - began for time in times] == pytest.approx(
        [max(0.0, (number - burst) / rate) for number in range(1, count + 1)], abs=SLACK
    )


async def test_callers_are_served_in_order():
    """The first caller has the first turn."""
    given = []
    await turns(RateLimiter(50), 70, given)
    assert [who for _, who in given] == list(range(70))


async def test_idle_time_is_not_saved_up():
    """After a while without requests there is a second's worth at once, and no more."""
    rate_limiter, given = RateLimiter(10), []
    await turns(rate_limiter, 1, [])
    await anyio.sleep(0.5)  # five more would be due if they were saved
    began = anyio.current_time()
    await turns(rate_limiter, 14, given)
    assert [time - began for time, _ in given] == pytest.approx([0.0] * 10 + [0.1, 0.2, 0.3, 0.4], abs=SLACK)


async def test_pause_holds_every_turn():
    """No caller has a turn before the pause is over, whether it waits already or comes later."""
    rate_limiter, given = RateLimiter(20), []
    await turns(rate_limiter, 20, [])
    async with anyio.create_task_group() as group:
        group.start_soon(turns, rate_limiter, 2, given)
        for _ in range(5):
            await checkpoint()  # by then they wait
        began = anyio.current_time()
        rate_limiter.pause(0.3)
        group.start_soon(turns, rate_limiter, 2, given)
    assert [time - began for time, _ in given] == pytest.approx([0.3, 0.3, 0.3, 0.3], abs=SLACK)


async def test_longer_pause_wins():
    """A short pause does not end a long one; a longer one prolongs it."""
    rate_limiter, given = RateLimiter(100), []
    began = anyio.current_time()
    rate_limiter.pause(0.1)
    rate_limiter.pause(0.3)
    rate_limiter.pause(0.0)
    await turns(rate_limiter, 1, given)
    assert given[0][0] - began == pytest.approx(0.3, abs=SLACK)


async def test_pause_is_not_made_up_for():
    """Those who waited for the end of a pause keep the rate after it: a stampede would earn the next pause at once."""
    rate_limiter, given = RateLimiter(20), []
    rate_limiter.pause(0.5)
    await turns(rate_limiter, 40, given)
    assert most_within([time for time, _ in given], 0.5) <= 20 + 10


async def test_turn_that_is_given_up_is_not_used():
    """A caller that no longer wants its turn delays no other."""
    rate_limiter, given = RateLimiter(2), []
    began = anyio.current_time()
    for _ in range(2):
        await rate_limiter.acquire()
    async with anyio.create_task_group() as group:
        for _ in range(100):
            group.start_soon(rate_limiter.acquire)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    await turns(rate_limiter, 1, given)
    assert given[0][0] - began == pytest.approx(0.5, abs=SLACK)


async def test_closed_pace_gives_no_turn():
    """Once it is closed no caller has a turn, due in an hour or at once; those that wait fail immediately."""
    rate_limiter, withdrawn = RateLimiter(1), []

    async def take():
        try:
            await rate_limiter.acquire()
        except AttemptCancelled:
            withdrawn.append(anyio.current_time())

    await rate_limiter.acquire()
    rate_limiter.pause(3600)
    with anyio.fail_after(LIFE):
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(take)
            await anyio.wait_all_tasks_blocked()
            rate_limiter.close()
    with pytest.raises(AttemptCancelled):
        await rate_limiter.acquire()
    assert len(withdrawn) == 3


async def test_another_rate_keeps_what_was_used_and_asked_for():
    """A lower rate is kept at once, a higher one need not wait for the turns of before; a pause outlasts both."""
    rate_limiter, given = RateLimiter(50), []
    await turns(rate_limiter, 50, [])
    rate_limiter.set_rate(5)
    await turns(rate_limiter, 3, given)
    assert most_within([time for time, _ in given], 0.15) == 1
    slow = RateLimiter(0.001)
    await turns(slow, 1, [])
    slow.set_rate(20)
    began = anyio.current_time()
    await turns(slow, 2, given := [])
    assert [time - began for time, _ in given] == pytest.approx([0.05, 0.1], abs=SLACK)
    slow.pause(0.3)
    began = anyio.current_time()
    slow.set_rate(1000)
    await turns(slow, 1, given := [])
    assert given[0][0] - began == pytest.approx(0.3, abs=SLACK)


async def named_turns(take, name, count, given):
    """Take `count` turns one after the other by `take`."""
    for _ in range(count):
        await take()
        given.append((name, anyio.current_time()))


async def test_those_who_go_first_alternate_with_those_who_wait():
    """What goes first goes before what waited longer, and then each has every second turn; the rate is that of both."""
    rate_limiter, given = RateLimiter(10), []
    await turns(rate_limiter, 10, [])
    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        group.start_soon(named_turns, rate_limiter.acquire, "sweep", 3, given)
        await checkpoint()
        for _ in range(5):
            group.start_soon(named_turns, rate_limiter.acquire_first, "first", 1, given)
    assert [name for name, _ in given] == ["first", "sweep", "first", "sweep", "first", "sweep", "first", "first"]
    assert [time - began for _, time in given] == pytest.approx([number / 10 for number in range(1, 9)], abs=SLACK)


async def test_those_who_go_first_delay_no_sweep_by_more_than_a_turn():
    """However many requests that go first wait, a sweep of many pages has half of the turns."""
    rate_limiter, given = RateLimiter(1), []
    await rate_limiter.acquire_first()
    async with anyio.create_task_group() as group:
        for _ in range(1000):
            group.start_soon(named_turns, rate_limiter.acquire_first, "first", 1, given)
        await anyio.wait_all_tasks_blocked()
        began = anyio.current_time()
        sweep = []
        await named_turns(rate_limiter.acquire, "sweep", 10, sweep)
        group.cancel_scope.cancel()
    assert [time - began for _, time in sweep] == pytest.approx([1 + 2 * number for number in range(10)], abs=1 + SLACK)


async def test_a_thousand_small_files_leave_no_sweep_late():
    """While a thousand files of two requests each are archived at the rate limit, each sweep of four requests is in time."""
    rate_limiter, began, given, sweeps = RateLimiter(2), anyio.current_time(), [], []

    async def archive(files):
        for file in files:
            await named_turns(rate_limiter.acquire_first, file, 2, given)

    async def sweep():
        while len(given) < 2000:
            await named_turns(rate_limiter.acquire, "sweep", 4, [])
            sweeps.append(anyio.current_time() - began)
            await anyio.sleep(10 * len(sweeps) - sweeps[-1])

    files = iter(range(1000))
    async with anyio.create_task_group() as group:
        group.start_soon(sweep)
        for _ in range(4):
            group.start_soon(archive, files)
    assert len(sweeps) > 100
    assert max(ended - 10 * number for number, ended in enumerate(sweeps)) <= 2 * 4 / 2 + SLACK
    assert len({file for file, _ in given}) == 1000


async def test_first_turn_that_is_given_up_delays_no_sweep():
    """A request that goes first and is given up before its turn leaves that turn to a sweep, and the other way round."""
    for given_up, waits in (("acquire_first", "acquire"), ("acquire", "acquire_first")):
        rate_limiter, given = RateLimiter(1), []
        await getattr(rate_limiter, given_up if waits == "acquire_first" else waits)()
        began = anyio.current_time()
        async with anyio.create_task_group() as group, anyio.create_task_group() as leaves:
            leaves.start_soon(getattr(rate_limiter, given_up))
            await anyio.wait_all_tasks_blocked()
            group.start_soon(named_turns, getattr(rate_limiter, waits), "waits", 1, given)
            await anyio.wait_all_tasks_blocked()
            leaves.cancel_scope.cancel()
        assert [time - began for _, time in given] == pytest.approx([1.0], abs=SLACK)


async def test_each_line_waits_with_the_heartbeat_of_its_own_loop():
    """A long pause is announced for the loop of either line, so that neither is taken for hanging; no other loop is heard."""
    usual, first = Loop(), Loop()
    rate_limiter = RateLimiter(1, Heartbeat(usual), Heartbeat(first))
    for loop in (usual, first):
        loop.begin(anyio.current_time())
    rate_limiter.pause(3600)
    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        group.start_soon(rate_limiter.acquire_first)
        await anyio.sleep(10)
        assert first.expected_at - began == pytest.approx(3600, abs=SLACK)
        assert usual.expected_at - began == pytest.approx(0, abs=SLACK)
        group.start_soon(rate_limiter.acquire)
        await anyio.wait_all_tasks_blocked()
        assert usual.expected_at - began == pytest.approx(3601, abs=SLACK)


@pytest.mark.parametrize(("rate", "burst"), [(10, 10), (3, 3), (1, 1), (1 / 60, 1), (0.9, 1), (math.inf, 16)])
async def test_turns_that_are_due_are_those_that_can_be_taken(rate, burst):
    """A second's worth, at least one; taken they are used up, the next comes after its gap, and a pause leaves none."""
    rate_limiter = RateLimiter(rate)
    assert rate_limiter.turns_due(16) == burst
    for left in range(burst, 0, -1):
        assert rate_limiter.turns_due(16) == (left if rate < math.inf else 16)
        rate_limiter.take()
    if rate < math.inf:
        assert rate_limiter.turns_due(16) == 0
        assert rate_limiter.seconds_until_due() == pytest.approx(1 / rate, abs=SLACK)
        await anyio.sleep(rate_limiter.seconds_until_due())
    assert rate_limiter.turns_due(1) == 1
    rate_limiter.pause(5.0)
    assert rate_limiter.turns_due(16) == 0
    assert rate_limiter.seconds_until_due() == pytest.approx(5.0, abs=SLACK) or rate < 1
