"""The watchdog: it checks when a loop may hang, and not before."""

import anyio
import pytest

from tracker.core.reconciliation.account_health import Health
from tracker.daemon import watchdog
from tracker.daemon.systemd import Systemd
from tracker.runtime.liveness import Liveness
from tracker.store.opening import open_store

PATIENCE = 20.0
SOON = 0.3
"""Seconds; a loop that was silent for all but so much of the patience hangs then."""

LATE = 10.0


@pytest.fixture
async def watched(tmp_path, monkeypatch):
    """What a vigil says, the loops that it looks after, and when it has looked (seconds); it probes the store once."""
    monkeypatch.setattr(watchdog, "PROBE_EVERY", 3600.0)
    monkeypatch.setattr(watchdog, "LOOK_AGAIN", 0.05)
    health, liveness, looks = Health(), Liveness(PATIENCE), []
    async with open_store(tmp_path / "tracker.db") as store, anyio.create_task_group() as group:
        vigilant = watchdog.Watchdog(store, health, liveness, Systemd())
        look = vigilant.look_once
        monkeypatch.setattr(vigilant, "look_once", lambda: looks.append(anyio.current_time()) or look())
        yield health, liveness, looks, lambda: group.start_soon(vigilant.run)
        group.cancel_scope.cancel()


async def until(done):
    with anyio.fail_after(LATE):
        while not done():  # noqa: ASYNC110 - what a loop tells is no event
            await anyio.sleep(0.01)


async def test_a_hang_is_found_when_it_is_one_and_so_is_its_end(watched):
    """Who hangs is named as soon as the patience is over, without a look in between, and no more soon after he goes on."""
    health, liveness, looks, start = watched
    loop = liveness.loop("one")
    began = anyio.current_time()
    loop.begin(began - PATIENCE + SOON)
    start()
    await until(lambda: health.stuck)
    assert (health.stuck, looks[-1] > began + SOON) == (["one"], True)
    assert len(looks) <= 4  # at its start, after the probe, and then
    loop.beat(anyio.current_time())
    await until(lambda: not health.stuck)
