"""Owns a service manager that the daemon reports to: every datagram, as it comes."""

import time
from contextlib import asynccontextmanager

import anyio


class Manager:
    """The messages that were received, each with its time (seconds of a monotonic clock)."""

    def __init__(self):
        self.messages = []
        self._came = anyio.Event()

    async def read(self, receiver):
        async for datagram, _ in receiver:
            self.messages.append((time.monotonic(), datagram.decode()))
            self._came.set()
            self._came = anyio.Event()

    async def hears(self, fits, after=0):
        """The first message behind `after` that fits; its place."""
        with anyio.fail_after(30):
            while True:
                for place in range(after, len(self.messages)):
                    if fits(self.messages[place][1]):
                        return place
                await self._came.wait()

    def feedings(self):
        return [at for at, message in self.messages if message == "WATCHDOG=1"]


@asynccontextmanager
async def managed(installation, folder, watchdog=None):
    """A manager that the installation's daemon is started by; it wants to hear every `watchdog` seconds."""
    address = folder / "notify"
    installation.environment["NOTIFY_SOCKET"] = str(address)
    if watchdog:
        installation.environment["WATCHDOG_USEC"] = str(round(watchdog * 1_000_000))
    manager = Manager()
    async with (
        await anyio.create_unix_datagram_socket(local_path=address) as receiver,
        anyio.create_task_group() as group,
    ):
        group.start_soon(manager.read, receiver)
        yield manager
        group.cancel_scope.cancel()
