"""Owns the overview as the API and the pages show it: the figures of the database, and what needs a person.

It is read once for all who ask for it at the same time: a thousand open pages cost what one does.
"""

from math import inf
from typing import Final

import anyio
import msgspec

from tracker.core.health.attention import Concern, Findings, concerns
from tracker.core.ports.reader import Reader
from tracker.core.queries.overview import Overview
from tracker.core.replicas.unheld_leases import are_enough_held, find_unheld
from tracker.web.daemon_interface import Daemon

REST: Final = 10.0
"""How many times as long as its reading took an overview is shown though the log has grown: that takes a tenth of the time."""

OLD: Final = 15.0
"""Seconds after which it is read again though the log has not grown."""


class FullOverview(msgspec.Struct, frozen=True, kw_only=True):
    """The figures `at` a time (Unix milliseconds), and what needs a person."""

    at: int
    figures: Overview
    concerns: tuple[Concern, ...]


class OverviewCache:
    """Reads the overview, one reading at a time, and remembers the last one."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._alone = anyio.Lock()
        self._last: FullOverview | None = None
        self._seen: tuple[object, ...] = ()  # what has changed if another overview is to be read
        self._read_at = self._fresh_until = -inf

    async def read(self, reader: Reader) -> FullOverview:
        async with self._alone:
            seen, began = (await reader.last_seq(), *self._trouble()), anyio.current_time()
            if self._last and (began < self._fresh_until or (seen == self._seen and began < self._read_at + OLD)):
                return self._last
            self._last, self._seen, self._read_at = await self._read(reader), seen, began
            ended = anyio.current_time()
            self._fresh_until = ended + REST * (ended - began)
            return self._last

    def _trouble(self) -> tuple[list[str], list[str]]:
        """What the log does not say: why the daemon is not ready, and which accounts fail or are read in part."""
        health = self._daemon.health
        states = health.everywhere()
        return health.not_ready_because(), [name for name, state in states.items() if state.failure or state.unreadable]

    async def _read(self, reader: Reader) -> FullOverview:
        at = self._daemon.now()
        figures = await reader.overview(at)
        return FullOverview(at=at, figures=figures, concerns=tuple(concerns(await self._findings(reader, figures))))

    async def _findings(self, reader: Reader, figures: Overview) -> Findings:
        config, health = self._daemon.config, self._daemon.health
        states = health.everywhere()
        receivers, accounts = [each.name for each in config.receivers], [each.name for each in config.accounts]
        circuits, dead = await reader.circuits(), await reader.dead_counts()
        replicas = await reader.replicas()
        is_held = not replicas or are_enough_held(replicas, accounts, receivers)
        return Findings(
            overview=figures,
            circuits={name: circuit for name, circuit in circuits.items() if name in receivers},
            dead={name: number for name, number in dead.items() if name in receivers},
            orphans=await reader.orphans(receivers, accounts),
            failing_accounts=[name for name, state in states.items() if state.failure],
            unreadable_accounts=[name for name, state in states.items() if state.unreadable and not state.failure],
            unheld=() if is_held else find_unheld(await reader.leases(), accounts, receivers),
            not_ready_because=health.not_ready_because(),
            failed_shares={account.name: account.failed_share for account in config.accounts},
        )
