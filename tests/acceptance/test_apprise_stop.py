"""The daemon stops in time though a service of Apprise hangs, and what was under way is sent after the next start."""

import json
import signal

import anyio
import pytest
from loopback import answer, hangs, loopback, sends
from tracking import Installation, simulated


def noticed(scene, event):
    """The scene, with `event` set as it begins."""

    async def play(stream):
        event.set()
        return await scene(stream)

    return play


@pytest.mark.slow
async def test_service_that_hangs_holds_no_process(tmp_path):
    """SIGTERM ends the process while a thread waits for an answer; the message of that attempt comes after a restart."""
    asked, asked_again = anyio.Event(), anyio.Event()
    scenes = noticed(hangs(), asked), noticed(sends(answer(b"{}")), asked_again)
    async with simulated(jobs=1, speed=300.0) as simulator, loopback(*scenes) as service:
        installation = Installation(tmp_path, simulator.url)
        with installation.config.open("a") as config:
            config.write(f'[[receivers]]\nname = "phone"\nkind = "apprise"\nurl = "json{service.url.removeprefix("http")}"\n')
            config.write('events = ["batch.created"]\ngroup_wait = "0s"\ntimeout = "1m"\n')
        async with installation.running() as daemon:
            with anyio.fail_after(60):
                await asked.wait()
            with anyio.fail_after(20):
                assert await daemon.stop(signal.SIGTERM) == 0
        async with installation.running():
            with anyio.fail_after(60):
                await asked_again.wait()
    first, second = (json.loads(request.partition(b"\r\n\r\n")[2]) for request in service.requests[:2])
    assert first == second
