"""The power fails at any moment of a real run: what was sent is in the file, which is whole."""

import random
import signal
from collections import Counter

import pytest
from disk import Disk
from planting import plant, synchronous
from recording import Sent, SyncEnded, Truncate, Unlink, Write, calls, recorded_to, whole
from recording_receiver import RecordingReceiver, give
from tracking import Installation, simulated

from tracker.core.errors.storage_error import StorageError
from tracker.store.database_file_commands import verify
from tracker.store.opening import open_store
from tracker.store.records.stored_events import STORED_EVENT, StoredEvent

SHARES = {"only what was synced": 0.0, "torn": 0.5, "nearly all": 0.95, "all that was written": 1.0}
"""Of what was not synced so much is on the disk."""

MATTERS = (Write, Truncate, SyncEnded, Unlink, Sent)


async def recorded(folder, deliveries, bug=None):
    """The calls of two daemons, one after the other, that make this number of deliveries each, under load."""
    recorder, made = RecordingReceiver(), []
    async with simulated(speed=60.0, jobs=25, seed=4) as simulator, recorder.serving():
        installation = Installation(folder, simulator.url, poll_interval="50ms", requests_per_second=1000)
        give(installation, recorder)
        if bug:
            plant(installation, bug)
        for run in range(2):
            trace = folder / f"trace-{run}"
            installation.under = recorded_to(trace)
            async with installation.running() as daemon:
                await recorder.reads(deliveries)
                assert await daemon.stop(signal.SIGTERM) == 0
            made += calls(await whole(trace, daemon.process.pid))
    sent = {call.event_id for call in made if isinstance(call, Sent)}
    assert set(recorder.ids) <= sent, "the recording lacks what was sent"
    return made


class Cuts:
    """Power cuts during a recording: a number of them, at calls that matter, each leaving an image of every kind."""

    def __init__(self, folder, made, cuts):
        self.images, self.found = Counter(), []
        self._folder, self._made = folder, made
        self._chance = random.Random(17)
        moments = [number for number, call in enumerate(made) if isinstance(call, MATTERS)]
        self._moments = set(self._chance.sample(moments, min(cuts, len(moments))))

    async def happen(self, *, until_found):
        disk, sent = Disk(self._folder), set()
        for number, call in enumerate(self._made):
            disk.does(call)
            if isinstance(call, Sent):
                sent.add(call.event_id)
            if until_found and self.found:
                break
            if number in self._moments:
                for kind, share in SHARES.items():
                    self.images[kind] += 1
                    image = disk.image(self._chance, share)
                    self.found += [f"at call {number}, {kind}: {what}" for what in await self._opens(image, sent)]
        return self

    async def _opens(self, image, sent):
        """What is wrong with the database when the product opens it after the cut."""
        folder = self._folder / f"image-{self.images.total()}"
        folder.mkdir()
        for name in ("tracker.db", "tracker.db-wal", "tracker.db-journal"):
            if name in image:
                (folder / name).write_bytes(image[name])
        path = folder / "tracker.db"
        try:
            async with open_store(path) as store:
                stored = await store._database.fetch(f"SELECT {STORED_EVENT} FROM events AS e")  # noqa: S608 - a constant
                ids = {StoredEvent(*row).whole()[0] for row in stored}
            wrong = verify(path).differences
        except StorageError as error:
            return [f"damaged: {error}"]
        finally:
            for file in folder.iterdir():
                file.unlink()
        return [*wrong, *(f"lost: {id_}" for id_ in sorted(sent - ids))]


async def _cut(folder, deliveries, cuts, level="FULL", *, until_found=False):
    made = await recorded(folder, deliveries, None if level == "FULL" else synchronous(level))
    cuts = await Cuts(folder, made, cuts).happen(until_found=until_found)
    calls_made = Counter(type(call).__name__ for call in made if isinstance(call, MATTERS))
    wrong = {what: sum(f": {what}" in each for each in cuts.found) for what in ("lost", "damaged", "SQLite")}
    print(f"{level}: {dict(calls_made)}; images {dict(cuts.images)}; found {wrong}")  # noqa: T201 - of a long run
    return cuts


@pytest.mark.timeout(240)
async def test_no_power_cut_loses_a_sent_event(tmp_path):
    """Nothing that was sent before the cut is lost, and the log, the jobs and the file are whole."""
    cuts = await _cut(tmp_path, 60, cuts=15)
    assert cuts.found == []
    assert cuts.images["torn"] == 15


@pytest.mark.slow
@pytest.mark.parametrize("level", ["NORMAL", "OFF"])
@pytest.mark.timeout(240)
async def test_power_cuts_find_what_is_not_synced(tmp_path, level):
    """With synchronous NORMAL, or OFF, as many a program has it, they find that what was sent is lost."""
    assert "lost" in str((await _cut(tmp_path, 30, cuts=100, level=level, until_found=True)).found)


@pytest.mark.long
@pytest.mark.parametrize("level", ["FULL", "NORMAL", "OFF"])
@pytest.mark.timeout(1200)
async def test_many_power_cuts(tmp_path, level):
    """The same, many times more; the controls lose, and OFF leaves files that are damaged."""
    cuts = await _cut(tmp_path, *((800, 1300) if level == "FULL" else (200, 250)), level=level)
    assert bool(cuts.found) == (level != "FULL"), cuts.found[:5]
    if level == "OFF":
        assert any("SQLite" in what or "damaged" in what for what in cuts.found)
