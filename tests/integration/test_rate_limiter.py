"""The pace of an account: its budget, and the pauses that the API asked for; each moment exact, in simulated time."""

import anyio
import pytest
from anyio.lowlevel import checkpoint
from simulated_time import SimulatedTime

from tracker.core.ports.notifier import AttemptCancelled
from tracker.http.rate_limiter import RateLimiter

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
    """The most of `times` that lie within so many seconds of each other."""
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
