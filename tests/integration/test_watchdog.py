"""The watchdog: it checks when a loop may hang, and not before."""

import anyio
import pytest
from structlog.testing import capture_logs
from waiting import until

from tracker.core.health.readiness import Health
from tracker.daemon import watchdog
from tracker.daemon.systemd_socket import Systemd
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
    monkeypatch.setattr(watchdog, "RECHECK_AFTER", 0.05)
    health, liveness, looks = Health(), Liveness(PATIENCE), []
    async with open_store(tmp_path / "tracker.db") as store, anyio.create_task_group() as group:
        vigilant = watchdog.Watchdog(store, health, liveness, Systemd())
        look = vigilant.check_once
        monkeypatch.setattr(vigilant, "check_once", lambda: looks.append(anyio.current_time()) or look())
        yield health, liveness, looks, lambda: group.start_soon(vigilant.run)
        group.cancel_scope.cancel()


async def test_a_hang_is_found_when_it_is_one_and_so_is_its_end(watched):
    """Who hangs is named as soon as the patience is over, without a look in between, and no more soon after he goes on."""
    health, liveness, looks, start = watched
    loop = liveness.loop("one")
    began = anyio.current_time()
    loop.begin(began - PATIENCE + SOON)
    start()
    await until(lambda: health.stuck, LATE)
    assert (health.stuck, looks[-1] > began + SOON) == (["one"], True)
    assert len(looks) <= 4  # at its start, after the probe, and then
    loop.beat(anyio.current_time())
    await until(lambda: not health.stuck, LATE)


class Flaky:
    """A store whose probes find this, one after the other."""

    def __init__(self, *errors):
        self.errors = list(errors)

    async def probe(self, _swept):
        return self.errors.pop(0)

    async def workload(self, _accounts):
        return None


class NoReports:
    async def exchange_once(self):
        pass


@pytest.mark.parametrize("reports", [None, NoReports()], ids=["alone", "replica"])
async def test_the_end_of_an_outage_is_logged_after_the_failed_workers_are_gone(reports):
    """Failed workers lose their leases in a long outage; the replica that probes logs its end, as a single process does."""
    errors = (None, "down", "down", None, None)
    vigilant = watchdog.Watchdog(Flaky(*errors), Health(), Liveness(PATIENCE), Systemd(), reports=reports)
    logged = []
    for _ in errors:
        with capture_logs() as lines:
            await vigilant.probe_once()
        logged.append([line["event"] for line in lines])
    assert logged == ([[], ["storage.failed"], ["storage.failed"], ["storage.recovered"], []] if reports else [[]] * 5)
