"""SIGKILL at random moments, under load: every change is whole in the file, with its events and deliveries, or not there."""

import random
import signal
import subprocess
from collections import Counter

import anyio
import pytest
from planting import COMMIT_BEFORE_THE_OUTBOX, SETTLED_BEFORE_IT_IS_SENT, plant
from recording_receiver import ENDS, RecordingReceiver, give
from tracking import COMMAND, Installation, simulated
from truth import Log
from waiting import until

from tracker.core.deliveries.adaptive_concurrency_per_receiver import MAX_CONCURRENCY


class Killing:
    """A daemon under load that is killed, and killed again; what it has promised by then is held to the file each time."""

    def __init__(self, folder, api, recorders, seed):
        self.installation = Installation(folder, api, poll_interval="50ms", requests_per_second=1000)
        give(self.installation, *recorders, hold="forever")
        self.recorders = recorders
        self.kills = Counter()
        self.log = None
        self._chance = random.Random(seed)

    async def kill(self):
        """Start it, kill it at a random moment, and look."""
        command = [*COMMAND, "--config", str(self.installation.config), "run"]
        environment = self.installation.environment
        process = await anyio.open_process(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        async with process:
            try:
                await self._a_moment()
            finally:
                process.kill()
            assert await process.wait() == -signal.SIGKILL
        self.look()

    async def _a_moment(self):
        if self._chance.random() < 0.15:  # while it starts, as soon as it has begun to, or some time later
            self.kills["at its start"] += 1
            return await anyio.sleep(self._chance.uniform(0, 2))
        self.kills["under load"] += 1
        await self.recorders[0].reads(self._chance.choice((1, 1, 5, 20)))
        return await anyio.sleep(self._chance.uniform(0, 0.25))

    def look(self):
        if not self.installation.database.exists():
            return
        log = Log(self.installation.database)
        if self.log:
            log.goes_on_from(self.log)
        log.has_a_delivery_for_each(*self.recorders)
        log.has_all_that_was_received(*self.recorders)
        self.log = log

    async def end(self):
        """One that lives delivers all that is left; each kill may have cost as many copies as were under way, and no more."""
        async with self.installation.running() as daemon:
            last = len(self.log.events)
            await until(lambda: Log(self.installation.database).is_delivered_to(last), every=0.2)
            assert await daemon.stop(signal.SIGTERM) == 0
        self.look()
        self.log.was_received(*self.recorders, last=last)
        copies = {recorder.name: len(recorder.ids) - len(set(recorder.ids)) for recorder in self.recorders}
        assert all(each <= self.kills.total() * MAX_CONCURRENCY for each in copies.values()), copies
        return copies


async def killed(folder, kills, *, seed, bug=None):
    """What this number of kills did."""
    recorders = RecordingReceiver(), RecordingReceiver("ends", ENDS, "mistral-*")
    async with simulated(speed=60.0, jobs=25, seed=seed) as simulator, recorders[0].serving(), recorders[1].serving():
        killing = Killing(folder, simulator.url, recorders, seed)
        if bug:
            plant(killing.installation, bug)
        for _ in range(kills):
            await killing.kill()
        copies = await killing.end()
    summary = f"{len(killing.log.events)} events, {len(killing.log.states)} deliveries, copies {copies}"
    print(f"killed {dict(killing.kills)}: {summary}")  # noqa: T201 - the figures of a long run


@pytest.mark.timeout(240)
async def test_a_few_kills(tmp_path):
    """integrity_check, seq, a delivery for each event and receiver: all hold after each kill, and nothing sent is missing."""
    await killed(tmp_path, 4, seed=6)


@pytest.mark.long
@pytest.mark.timeout(1200)
async def test_two_hundred_kills(tmp_path):
    """The same, two hundred times."""
    await killed(tmp_path, 200, seed=200)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bug", "found"),
    [(COMMIT_BEFORE_THE_OUTBOX, "the jobs are not what the log says"), (SETTLED_BEFORE_IT_IS_SENT, "everything lacks")],
    ids=["commit before the outbox", "settled before it is sent"],
)
@pytest.mark.timeout(240)
async def test_kills_find_what_is_not_whole(tmp_path, bug, found):
    """A product that commits its events before their deliveries, or settles before it sends, does not stand a few kills."""
    with pytest.raises(AssertionError, match=found):
        await killed(tmp_path, 3, seed=3, bug=bug)
