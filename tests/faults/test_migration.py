"""Databases of every schema that there was: brought up to date whole, also by a daemon that is killed while it does that."""

import random
import shutil
import signal
import subprocess
import time
from collections import Counter

import anyio
import pytest
from databases import VERSIONS, Found, make
from loopback import unreachable_url
from planting import plant
from recording_receiver import RecordingReceiver, give
from tracking import COMMAND, Installation
from truth import Log
from waiting import until

from tracker.store.sqlite.database.migrations import MIGRATIONS
from tracker.store.sqlite.database.schema import migrate

NEWEST = len(MIGRATIONS)
STEP_BY_STEP = """
    import time
    from tracker.store.sqlite.database import schema
    def step_by_step(connection, migrations, newest):
        for migration in migrations:
            connection.executescript(migration)
            time.sleep(0.3)
        connection.execute(f"PRAGMA user_version = {newest}")
    schema._apply = step_by_step
"""


@pytest.fixture
def installation(tmp_path):
    """An installation with an unreachable API: its log stays as it is. It forgets no delivery."""
    with unreachable_url() as url:
        installation = Installation(tmp_path, url)
        config = installation.config.read_text().replace("[http]", 'keep_deliveries = "3650d"\n[http]')
        installation.config.write_text(config)
        yield installation


def test_every_schema_is_as_it_was_released(tmp_path):
    """A changed migration would make another schema than the one that existing files have."""
    assert list(range(1, NEWEST + 1)) == VERSIONS
    for version in VERSIONS:
        migrate(tmp_path / f"{version}.db", MIGRATIONS[:version])
        released = Found(make(tmp_path / f"released-{version}.db", version))
        assert Found(tmp_path / f"{version}.db").schema == released.schema, version


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_each_released_schema_is_opened(installation):
    """`run` brings each up to date, with all that was in it, and delivers what was pending; then `verify` agrees."""
    recorder = RecordingReceiver()
    async with recorder.serving():
        give(installation, recorder)
        for version in VERSIONS:
            for each in installation.database.parent.glob("tracker.db*"):
                each.unlink()
            before = Found(make(installation.database, version))
            await _is_opened(installation, recorder, before)


async def _is_opened(installation, recorder, before):
    pending = [
        seq
        for receiver, seq, _, _, state, *_ in before.rows.get("deliveries", [])
        if (receiver, state) == (recorder.name, "pending")
    ]
    bodies = {row[0]: (row[1], row[8].encode()) for row in before.rows["events"]}
    recorder.got.clear()
    async with installation.running() as daemon:
        while len(recorder.got) < len(pending):
            await recorder.reads()
        assert await daemon.stop(signal.SIGTERM) == 0
    assert sorted(recorder.got) == sorted(bodies[seq] for seq in pending)
    assert (await installation.command("verify")).returncode == 0
    after = Found(installation.database)
    Log(installation.database)
    assert after.version == NEWEST
    for name in ("accounts", "events", "jobs", "cards"):
        old = before.rows.get(name, [])
        assert [row[: len(old[0])] for row in after.rows[name]] == old, name  # a later schema adds columns at the end
    if "deliveries" in before.rows:
        columns = len(before.rows["deliveries"][0])
        ended = lambda found: [row[:columns] for row in found.rows["deliveries"] if row[1] not in pending]  # noqa: E731
        assert ended(after) == ended(before)
        there = before.rows["attempts"]
        assert set(there) <= {row[: len(there[0])] for row in after.rows["attempts"]}


class Migrating:
    """A daemon that is killed while it migrates a large database, at a random moment each time."""

    def __init__(self, installation, seed, more):
        self.installation = installation
        self.found = Counter()
        self._chance = random.Random(seed)
        self._more = more
        self._path = installation.database
        newest = make(self._path.with_name("newest.db"), NEWEST)
        self._newest = Found(newest).schema
        self._renew()
        began = time.perf_counter()
        migrate(self._path)
        self._lasts = time.perf_counter() - began
        self._renew()

    def _renew(self):
        """A fresh copy of an old file, as a daemon has left it, or a backup."""
        for each in self._path.parent.glob("tracker.db*"):
            each.unlink()
        version = self._chance.choice(VERSIONS[:-1])
        make(self._path, version, more=self._more, journal=self._chance.choice(("WAL", "DELETE")))
        self._old = Found(self._path)

    async def kill(self):
        command = [*COMMAND, "--config", str(self.installation.config), "run"]
        async with await anyio.open_process(
            command, env=self.installation.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                await until(self._has_begun, every=0.001)
                await anyio.sleep(self._chance.uniform(0, self._lasts))
            finally:
                process.kill()
            assert await process.wait() == -signal.SIGKILL
        self.look()

    def _has_begun(self):
        journals = [self._path.with_name(f"tracker.db-{each}") for each in ("wal", "journal")]
        return any(each.exists() and each.stat().st_size for each in journals)

    def look(self):
        """It is sound, of the old schema or the newest and of none between, with the same rows: so says a copy.

        What the killed one left is for the next one to clear up.
        """
        found = Found(self._copied())
        assert found.sound, "damaged"
        if found.version == self._old.version:
            self.found["old"] += 1
            assert found.schema == self._old.schema, "half of it is there"
        else:
            self.found["newest"] += 1
            assert found.version == NEWEST
            assert found.schema == self._newest, "half of it is there"
        assert found.has_the_rows_of(self._old)
        if found.version == NEWEST:
            self._renew()

    def _copied(self):
        copy = self._path.with_name("copy.db")
        for each in ("", "-wal", "-journal"):
            copy.with_name(copy.name + each).unlink(missing_ok=True)
            if self._path.with_name(self._path.name + each).exists():
                shutil.copy(self._path.with_name(self._path.name + each), copy.with_name(copy.name + each))
        return copy

    async def complete(self):
        """The next undisturbed start brings it up to date."""
        async with self.installation.running() as daemon:
            assert await daemon.stop(signal.SIGTERM) == 0
        found = Found(self._path)
        assert (found.version, found.schema) == (NEWEST, self._newest)
        assert found.has_the_rows_of(self._old)
        Log(self._path)


async def _killed(installation, kills, *, seed, more):
    migrating = Migrating(installation, seed, more)
    while migrating.found.total() < kills or not migrating.found["old"]:  # a fast machine may have ended it each time
        await migrating.kill()
    await migrating.complete()
    print(f"killed {kills} times while it migrated: {dict(migrating.found)}")  # noqa: T201 - the figures of a long run
    return migrating.found


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_kills_while_it_migrates(installation):
    """After each kill the file is whole and of the old schema or of the newest, with the same rows; the next start ends it."""
    assert (await _killed(installation, 5, seed=5, more=8_000))["old"]


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_fifty_kills_while_it_migrates(installation):
    """The same, fifty times, of a larger file."""
    found = await _killed(installation, 50, seed=50, more=50_000)
    assert found["old"]
    assert found["newest"]


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_a_migration_that_is_not_whole_is_found(installation):
    """A product that migrates step by step leaves something between two schemas."""
    plant(installation, STEP_BY_STEP)
    with pytest.raises(AssertionError, match="half of it is there"):
        await _killed(installation, 5, seed=5, more=2_000)
