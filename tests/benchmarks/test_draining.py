"""Draining what has gathered for eight receivers: as fast at its end as at its beginning, and in no more memory."""

import time
from pathlib import Path

import anyio
import pytest
from canned import apart
from delivery_world import DeliveryWorld, a_job

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

RECEIVERS, RECORDED_AT_ONCE = 8, 250
FIRST, LAST = "the first tenth", "the last tenth"


class Tenths:
    """Hears of every attempt: what the first and the last tenth of them take, and how much memory there was after each."""

    def __init__(self, deliveries, comparisons, memory):
        self._comparisons, self._memory = comparisons, memory
        self._tenth = deliveries // 10
        self._attempts = 0
        self._begin()

    def append(self, outcome):
        assert outcome.delivered
        self._attempts += 1
        if self._attempts in (self._tenth, 10 * self._tenth):
            way = FIRST if self._attempts == self._tenth else LAST
            for comparison, at in zip(self._comparisons, self._began, strict=True):
                comparison.record(way, comparison.clock() - at)
            self._memory.record(f"after {way}", resident())
        if self._attempts == 9 * self._tenth:
            self._begin()

    def _begin(self):
        self._began = [comparison.clock() for comparison in self._comparisons]


def resident():
    """Kilobytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4


@pytest.mark.parametrize("deliveries", [2000, pytest.param(100_000, marks=[pytest.mark.long, pytest.mark.timeout(1200)])])
async def test_draining(compare, count, tmp_path, deliveries):
    """All is delivered, once each. Targets: no fall in rate, no growth of memory."""
    name = f"drain {deliveries:,}, 8 receivers"
    comparisons = compare(f"{name}: CPU", time.process_time), compare(name)
    memory = count(f"{name}: kB")
    world = DeliveryWorld(tmp_path / "tracker.db", events=("batch.created",), timeout=30.0)
    async with apart(100) as url, world.with_receivers(**{f"receiver-{number}": f"{url}/hook" for number in range(RECEIVERS)}):
        for first in range(0, deliveries // RECEIVERS, RECORDED_AT_ONCE):
            await world.record(*[a_job(f"job-{first + number}", "RUNNING") for number in range(RECORDED_AT_ONCE)])
        world.outcomes = Tenths(deliveries, comparisons, memory)
        async with anyio.create_task_group() as group:
            for deliverer in world.deliverers.values():
                group.start_soon(deliverer.deliver_due)
        states = dict(await world.store._database.fetch("SELECT state, count(*) FROM deliveries GROUP BY state"))
    assert states == {"delivered": deliveries}
    assert comparisons[0].ratio(LAST, FIRST) < 2
    assert memory.of(f"after {LAST}") < 1.3 * memory.of(f"after {FIRST}")
