"""What the running daemon reports to a service manager, and when it stops its heartbeats."""

import os
import re
import signal

import anyio
import httpx
import pytest
from anyio.abc import SocketAttribute
from fixed_receiver import answering
from matrix import matrix
from service_manager import managed
from tracking import Installation, simulated

PATIENCE = 2.0
"""Seconds that the manager of these tests waits for a sign of life, and the daemon for one of each of its loops."""

HOOK = '[[receivers]]\nname = "hook"\nkind = "webhook"\nurl = "{url}"\nevents = ["*"]\ntimeout = "{timeout}"\n'

HANG = """
import pathlib
import anyio
import {module}

well = {module}.{what}

async def hangs(*arguments):
    if pathlib.Path("{switch}").exists():
        await anyio.sleep_forever()
    return await well(*arguments)

{module}.{what} = hangs
"""


async def test_life_of_a_service_is_reported(tmp_path):
    """READY once it listens, how it is, RELOADING and READY round each reload with what came of it, and STOPPING."""
    async with simulated(jobs=5) as simulator:
        installation = Installation(tmp_path, simulator.url)
        sound = installation.config.read_text()
        async with managed(installation, tmp_path) as manager, installation.running() as daemon:
            await manager.hears(lambda message: message == "READY=1")
            async with httpx.AsyncClient(base_url=daemon.url) as client:
                assert (await client.get("/healthz")).status_code == 200
            place = await manager.hears(lambda message: re.fullmatch(r"STATUS=\d+ running, \d+ queued, 0 undelivered", message))
            for text, status in ((sound + "nonsense = 1\n", "reload failed"), (sound, "undelivered")):
                installation.config.write_text(text)
                daemon.process.send_signal(signal.SIGHUP)
                place = await manager.hears(lambda message: message.startswith("RELOADING=1\nMONOTONIC_USEC="), place)
                place = await manager.hears(lambda message, status=status: f" {status}" in message, place)
                place = await manager.hears(lambda message: message == "READY=1", place)
            assert await daemon.stop(signal.SIGTERM) == 0
            await manager.hears(lambda message: message.startswith("STOPPING=1"), place)
    assert not manager.feedings()


@pytest.mark.slow
async def test_waiting_is_no_hang(tmp_path):
    """A turn that is due in a quarter of an hour, a receiver that takes its time and an idle one keep the watchdog fed."""
    async with simulated(jobs=20) as simulator, answering() as quick, anyio.create_task_group() as group:
        slow = await group.start(_silent)
        settings = {"requests_per_second": 0.001, "request_timeout": "10m", "poll_interval": "1d"}
        installation = Installation(tmp_path, simulator.url, **settings)
        with installation.config.open("a") as config:
            config.write(HOOK.format(url=slow, timeout="1m"))
            config.write(HOOK.format(url=quick.url, timeout="1m").replace('"hook"', '"idle"'))
        async with managed(installation, tmp_path, PATIENCE) as manager, installation.running() as daemon:
            await quick.wait_for(3)
            began = len(manager.feedings())
            with anyio.fail_after(30):
                while len(manager.feedings()) < began + 11:
                    await manager.hears(lambda message: message == "WATCHDOG=1", len(manager.messages))
            fed = manager.feedings()[began:]
            assert fed[-1] - fed[0] > 3 * PATIENCE
            assert not any(line["event"] == "watchdog.stuck" for line in daemon.lines)
            assert await daemon.stop(signal.SIGTERM) == 0
        group.cancel_scope.cancel()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "what", "loop"),
    matrix(
        [
            ("tracker.polling.poller", "Poller.poll_once", "account default"),
            ("tracker.delivery.notifiers.webhook.notifier", "Webhook.send", "receiver hook"),
            ("tracker.store.sqlite.writing.store", "SqliteStore.probe", "storage"),
        ]
    ),
)
async def test_hang_leaves_the_watchdog_unfed(tmp_path, module, what, loop):
    """Who awaits what never comes is named by log, status and /readyz, and from then on nothing feeds the watchdog."""
    switch = tmp_path / "hang"
    (tmp_path / "sitecustomize.py").write_text(HANG.format(module=module, what=what, switch=switch))
    async with simulated(jobs=20, speed=600.0) as simulator, answering() as hook:
        installation = Installation(tmp_path, simulator.url)
        installation.environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        with installation.config.open("a") as config:
            config.write(HOOK.format(url=hook.url, timeout="5s"))
        async with managed(installation, tmp_path, PATIENCE) as manager, installation.running() as daemon:
            await hook.wait_for(1)
            await manager.hears(lambda message: message == "WATCHDOG=1")
            switch.touch()
            assert (await daemon.says("watchdog.stuck"))["loops"] == [loop]
            await manager.hears(lambda message: f"{loop} hangs" in message)
            fed = manager.feedings()
            await anyio.sleep(PATIENCE)
            assert manager.feedings() == fed
            if loop != "storage":  # which /readyz would ask, and wait for
                async with httpx.AsyncClient(base_url=daemon.url) as client:
                    answer = await client.get("/readyz")
                assert (answer.status_code, f"{loop} hangs" in answer.json()["reasons"]) == (503, True)


async def _silent(*, task_status):
    """A server that takes connections and never answers."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port = listener.listeners[0].extra(SocketAttribute.local_port)  # noqa: S610 - not Django
        task_status.started(f"http://127.0.0.1:{port}")
        await listener.serve(_keep_silent)


async def _keep_silent(stream):
    async with stream:
        await anyio.sleep_forever()
