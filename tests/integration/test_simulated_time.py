"""Simulated time is as long as what is waited for, passes at once, and not while there is anything to do."""

import asyncio
import socket

import anyio
import pytest
from simulated_time import SimulatedTime

DAY = 86_400.0


@pytest.fixture(scope="module")
def anyio_backend():
    return "asyncio", {"loop_factory": SimulatedTime}


async def test_each_wakes_at_its_moment():
    """The shortest wait ends first, and each at its own moment, days from now."""
    woken = []

    async def sleep(seconds):
        await anyio.sleep(seconds)
        woken.append(anyio.current_time() - began)

    began = anyio.current_time()
    async with anyio.create_task_group() as group:
        for days in (3, 1, 2):
            group.start_soon(sleep, days * DAY)
    assert woken == pytest.approx([DAY, 2 * DAY, 3 * DAY])


async def test_no_time_passes_while_there_is_something_to_read():
    """What has come over a socket is heard of before anything that is waited for."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        came, began = anyio.Event(), anyio.current_time()
        asyncio.get_running_loop().add_reader(ours, came.set)
        theirs.send(b"x")
        with anyio.fail_after(DAY):
            await came.wait()
        asyncio.get_running_loop().remove_reader(ours)
        assert anyio.current_time() == began
