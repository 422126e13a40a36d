"""The proof of progress: what hangs is found, and what merely takes long is not taken for it."""

import pytest

from tracker.runtime.liveness import Liveness


@pytest.fixture
def liveness():
    """Loops that get 60 seconds of patience."""
    return Liveness(60.0)


@pytest.fixture
def loop(liveness):
    """A loop at work since 100.0."""
    loop = liveness.loop("one")
    loop.begin(100.0)
    return loop


@pytest.fixture
def overdue(liveness):
    return lambda now: list(liveness.overdue(now))


def test_silence_is_a_hang(loop, overdue):
    """A loop that has announced no wait must beat within the patience, after each beat again."""
    assert (overdue(160.0), overdue(160.1)) == ([], ["one"])
    loop.beat(150.0)
    assert (overdue(210.0), overdue(210.1)) == ([], ["one"])


@pytest.mark.parametrize("seconds", [0.0, 1.0, 600.0, 3600.0, 86400.0, 1e9])
def test_an_announced_wait_is_no_hang(loop, overdue, seconds):
    """However long a wait was said to take, it is waited for, and then for the patience."""
    loop.wait(100.0, seconds)
    assert (overdue(160.0 + seconds), overdue(160.5 + seconds)) == ([], ["one"])


def test_a_wait_that_ended_is_forgotten(loop, overdue):
    """After it the patience begins again."""
    loop.end_wait(loop.wait(100.0, 3600.0), 200.0)
    assert (overdue(260.0), overdue(260.1)) == ([], ["one"])


def test_no_wait_hides_another(loop, overdue):
    """Of waits that overlap each is held to its own word; as long as one is well, silence is no hang."""
    long, short = loop.wait(100.0, 3600.0), loop.wait(100.0, 10.0)
    assert (overdue(170.0), overdue(170.1)) == ([], ["one"])
    loop.end_wait(short, 171.0)
    assert overdue(3000.0) == []
    loop.end_wait(long, 3000.0)
    assert overdue(3060.1) == ["one"]


def test_who_is_not_at_work_is_not_missed(liveness, loop, overdue):
    """A loop is watched neither before it begins nor after it ends; a loop that takes over in between is watched."""
    other = liveness.loop("other")
    assert overdue(150.0) == []
    other.begin(140.0)
    assert overdue(1e9) == ["one", "other"]
    other.end()
    assert overdue(1e9) == ["one"]
    assert liveness.loop("one") is loop


def test_until_when_no_loop_can_hang(liveness, loop):
    """A check then, and no earlier, misses no loop: also none that begins, or ends a long wait, meanwhile."""
    assert liveness.quiet_until(100.0) == liveness.quiet_until(130.0) == 160.0
    long = loop.wait(140.0, 3600.0)
    assert liveness.quiet_until(140.0) == 200.0
    loop.end_wait(long, 141.0)
    assert liveness.quiet_until(200.0) == 201.0


def test_who_hangs_already_is_no_reason_to_look_again(liveness, loop):
    """Nor is one who is not at work."""
    loop.beat(100.0)
    assert liveness.quiet_until(170.0) == 230.0
    liveness.loop("other").begin(165.0)
    assert liveness.quiet_until(170.0) == 225.0
    liveness.loop("other").end()
    assert liveness.quiet_until(170.0) == 230.0
