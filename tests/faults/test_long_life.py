"""A month's worth of requests, reloads and outages in minutes: memory, descriptors, write-ahead log and file stay level."""

import signal

import httpx
import pytest
from proc import descriptors, memory, threads
from recording_receiver import RecordingReceiver, give
from tracking import Installation, simulated
from truth import Log
from waiting import until

from tracker.simulator.faults.fault_options import Faults, parse

pytestmark = pytest.mark.slow

MEGABYTE = 1024 * 1024


class Life:
    """A daemon that lives through days: each has jobs, two reloads, an outage and readers."""

    def __init__(self, installation, simulator, daemon, recorder) -> None:
        self.installation, self.simulator, self.daemon, self.recorder = installation, simulator, daemon, recorder
        self.samples: list[dict[str, float]] = []
        self._reloads = 0

    async def day(self, requests: int) -> None:
        await self._requests(requests // 3)
        await self._reload()
        self.simulator.faults = Faults(parse("reset:1"))
        await self._requests(4)
        self.simulator.faults = Faults(parse("any:0.02"))
        self.recorder.status = 500
        await self._requests(requests // 3)
        self.recorder.status = 204
        await self._reload()
        async with httpx.AsyncClient(base_url=self.daemon.url, timeout=60) as client:
            for path in ("/", "/metrics", "/api/events?limit=1000", "/api/jobs", "/receivers", "/readyz"):
                await client.get(path)
        await self._requests(requests // 3)
        self._sample()

    async def _requests(self, number: int) -> None:
        wanted = self.simulator.requests.total() + number
        await until(lambda: self.simulator.requests.total() >= wanted, 300)

    async def _reload(self) -> None:
        """Another interval, so that every worker is replaced."""
        text = self.installation.config.read_text()
        before, after = ("60ms", "50ms") if self._reloads % 2 else ("50ms", "60ms")
        assert f'"{before}"' in text
        self.installation.config.write_text(text.replace(f'poll_interval = "{before}"', f'poll_interval = "{after}"'))
        self._reloads += 1
        self.daemon.process.send_signal(signal.SIGHUP)
        await until(lambda: sum(line["event"] == "configuration.reloaded" for line in self.daemon.lines) >= self._reloads)

    def _sample(self) -> None:
        pid, database = self.daemon.process.pid, self.installation.database
        events = len(Log(database).events)
        self.samples.append(
            {
                "RSS": memory(pid, "VmRSS") / MEGABYTE,
                "descriptors": descriptors(pid),
                "threads": threads(pid),
                "WAL": database.with_name("tracker.db-wal").stat().st_size / MEGABYTE,
                "bytes an event": database.stat().st_size / events,
                "events": events,
            }
        )


async def lived(folder, days: int, requests: int) -> list[dict[str, float]]:
    recorder = RecordingReceiver("everything", ("*",))
    async with simulated(jobs=15, speed=40.0) as simulator, recorder.serving():
        installation = Installation(folder, simulator.url, poll_interval="50ms", requests_per_second=1000, request_timeout="5s")
        give(installation, recorder)
        async with installation.running() as daemon:
            life = Life(installation, simulator, daemon, recorder)
            for _ in range(days):
                await life.day(requests)
            assert await daemon.stop(signal.SIGTERM) == 0
    assert [line for line in daemon.lines if "exception" in line] == []
    Log(installation.database).has_all_that_was_received(recorder)
    return life.samples


def check_level(samples, early: int) -> None:
    """After the first `early` days nothing grows but the log, and that by what an event needs."""
    before, after = samples[early], samples[-1]
    assert after["RSS"] < before["RSS"] * 1.15 + 8
    assert after["descriptors"] <= before["descriptors"] + 12, "each look at the daemon may have left one connection open"
    assert after["threads"] <= before["threads"] + 4
    assert max(each["WAL"] for each in samples) < 32
    assert after["bytes an event"] < before["bytes an event"] * 1.2
    assert after["events"] > before["events"]


async def test_a_few_days(tmp_path):
    """What a daemon uses after a few days of reloads and outages it used after the first."""
    check_level(await lived(tmp_path, days=4, requests=24), early=1)


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_a_month(tmp_path):
    """A month of requests every quarter of an hour: 2,976 of them, 62 reloads, 31 outages of the API and of the receiver."""
    samples = await lived(tmp_path, days=31, requests=96)
    for day in (0, 5, 10, 20, 30):
        print(f"day {day}: " + ", ".join(f"{name} {value:.0f}" for name, value in samples[day].items()))  # noqa: T201
    check_level(samples, early=5)
