"""What the daemon costs while nothing happens: how often it wakes, and its CPU."""

import asyncio
import re
from pathlib import Path

import anyio
import pytest
from canned import apart
from tracking import Installation
from waiting import until

from tracker.daemon.load_configuration import load
from tracker.daemon.startup import open_daemon

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

WINDOW = 5.5
"""Seconds; the store is probed every five."""

SETTLED = 45.0
"""Seconds after which the long form measures: by then the first contact is over."""

MINUTE = 60.0

_WAITS = re.compile(r"^voluntary_ctxt_switches:\t(\d+)$", re.MULTILINE)


async def test_only_what_is_due_wakes_it(count, tmp_path, monkeypatch):
    """Between sweeps nothing but the probe of the store, the look for what is late and a look at the loops is slept for."""
    async with apart(10) as url:
        installation = Installation(tmp_path, url, poll_interval="1h")
        async with open_daemon(load(str(installation.config), installation.environment)) as running:
            await until(lambda: not running.supervisor.dependencies.health.not_ready_because())
            loop, slept_for = asyncio.get_running_loop(), []
            for timer in ("call_at", "call_later"):  # which are not one and the same on uvloop
                monkeypatch.setattr(loop, timer, _counted(getattr(loop, timer), slept_for))
            await anyio.sleep(WINDOW)
            monkeypatch.undo()
    assert 2 <= len(slept_for) <= 6
    count(f"what is slept for in {WINDOW} s").record("an idle daemon, and the benchmark", len(slept_for))


def _counted(timer, calls):
    return lambda *arguments, **named: calls.append(1) or timer(*arguments, **named)


@pytest.mark.long
@pytest.mark.timeout(300)
async def test_idle(count, tmp_path):
    """With 1,000 active jobs looked at every 15 s, as by default, a minute takes less than 0.5 % of a core."""
    async with apart(1_000) as url:
        installation = Installation(tmp_path, url, poll_interval="15s", requests_per_second=1, request_timeout="10s")
        async with installation.running() as tracker:
            await anyio.sleep(SETTLED)
            before = _spent(tracker.process.pid)
            await anyio.sleep(MINUTE)
            cpu, *woken = (after - was for after, was in zip(_spent(tracker.process.pid), before, strict=True))
    share, wakes = count("idle, 1,000 jobs: % of a core"), count("idle, 1,000 jobs: wake-ups a second")
    share.record("target", 0.5)
    share.record("batch-tracker run", cpu / MINUTE * 100)
    for name, number in zip(("the loop", "all threads"), woken, strict=True):
        wakes.record(name, number / MINUTE)
    assert cpu / MINUTE < 0.005


def _spent(process):
    """Seconds of CPU, and how often the loop's thread and all threads have waited for something."""
    threads = {thread.name: thread for thread in Path(f"/proc/{process}/task").iterdir()}
    waits = {name: int(_WAITS.search((thread / "status").read_text())[1]) for name, thread in threads.items()}
    cpu = sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads.values()) / 1e9
    return cpu, waits[str(process)], sum(waits.values())
