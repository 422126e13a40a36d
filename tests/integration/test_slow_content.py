"""A content that comes too slowly ever to come to its end is given up; in simulated time, so that each moment is exact."""

import anyio
import pytest
from simulated_time import SimulatedTime

from tracker.core.errors.provider_failure import Reason
from tracker.core.ports.results import ContentError
from tracker.results.file_archiver import SLOW_FOR, SLOWEST, steady


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio", {"loop_factory": SimulatedTime}


async def parts(count, size, every):
    """`count` parts of `size` bytes, one each `every` seconds."""
    for _ in range(count):
        await anyio.sleep(every)
        yield bytes(size)


async def take_all(content, taken):
    """Take the content; `taken` is given the size of each part."""
    async for part in steady(content):
        taken.append(len(part))


async def test_steady_content_may_take_hours():
    """A content that goes on coming fast enough is taken whole, however long that takes."""
    size = 0
    async for part in steady(parts(1000, int(SLOWEST * 20), 20.0)):
        size += len(part)
    assert size == 1000 * SLOWEST * 20
    assert anyio.current_time() >= 20_000


@pytest.mark.parametrize(("size", "every"), [(1, 1.0), (int(SLOWEST * 10) - 100, 10.0)], ids=["a drip", "a little too slow"])
async def test_content_that_drips_is_given_up(size, every):
    """A content that comes more slowly is cut after some minutes, as one that may well come faster another time."""
    began, taken = anyio.current_time(), []
    with pytest.raises(ContentError) as raised:
        await take_all(parts(100_000, size, every), taken)
    assert raised.value.failure.reason is Reason.NETWORK
    assert anyio.current_time() - began == pytest.approx(SLOW_FOR)
    assert sum(taken) == pytest.approx(size * SLOW_FOR / every)


async def test_fast_beginning_makes_no_steady_content():
    """What came fast at first does not excuse what follows."""

    async def slows_down():
        yield bytes(10**7)
        async for part in parts(100_000, 1, 1.0):
            yield part

    began = anyio.current_time()
    with pytest.raises(ContentError):
        await take_all(slows_down(), [])
    assert anyio.current_time() - began == pytest.approx(2 * SLOW_FOR)
