"""A receiver that takes only so many at once: it is sent as many as it takes, instead of what it refuses again and again."""

import anyio
import pytest
from starlette.responses import Response
from telling import Telling, a_job

from tracker.clock import now
from tracker.core.window import SIDE_BY_SIDE
from tracker.serving import serving

COUNT, CAPACITY = 300, 3


class Narrow:
    """A receiver that refuses what comes while it works on `CAPACITY` others."""

    def __init__(self, status):
        self._status = status
        self._at_once = 0
        self.taken = self.refused = self.most = 0
        self.has_all = anyio.Event()

    async def __call__(self, scope, receive, send):
        self._at_once += 1
        self.most = max(self.most, self._at_once)
        refused = self._at_once > CAPACITY
        await anyio.sleep(0.005)  # its work
        self._at_once -= 1
        self.refused += refused
        self.taken += not refused
        await Response(status_code=self._status if refused else 200)(scope, receive, send)
        if self.taken == COUNT:
            self.has_all.set()


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_an_overloaded_receiver_is_sent_fewer_at_once(tmp_path, status):
    """All arrive, and what was too many for it is a fraction of them, where all but three of sixteen would be each time."""
    receiver = Narrow(status)
    telling = Telling(tmp_path / "tracker.db", retry=(0.05,) * 30, clock=now)
    async with serving(receiver, "127.0.0.1", 0) as address, telling.to(pipeline=address.url):
        for start in range(0, COUNT, 50):
            await telling.record(*[a_job(f"job-{number}") for number in range(start, start + 50)])
        deliverer = telling.deliverers["pipeline"]
        async with anyio.create_task_group() as group:
            group.start_soon(deliverer.run)
            with anyio.fail_after(60):
                await receiver.has_all.wait()
            deliverer.leave()
        assert await telling.rows("DISTINCT state") == [("delivered",)]
    assert receiver.most == SIDE_BY_SIDE
    assert receiver.refused < COUNT / 2
