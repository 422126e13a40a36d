"""Owns reading the overview of `top` from the log, as seldom as its figures allow."""

from collections.abc import Mapping, Sequence
from typing import Final

from tracker.core.health.attention import Concern, Findings, concerns
from tracker.core.ports.reader import Reader
from tracker.core.queries.overview import Overview
from tracker.core.replicas.lease import LeaseKey

INTERVAL: Final = 3000
"""Milliseconds between two readings."""


class OverviewReading:
    """The last overview, and what needs a person by it."""

    def __init__(
        self, reader: Reader, accounts: Sequence[str], receivers: Sequence[str], failed_shares: Mapping[str, float | None]
    ) -> None:
        self._reader = reader
        self._accounts = accounts
        self._receivers = receivers
        self._failed_shares = failed_shares
        self._last: tuple[int, Overview, list[Concern]] | None = None

    async def read(self, now: int, unreachable: Sequence[str], unheld: Sequence[LeaseKey]) -> tuple[Overview, list[Concern]]:
        """The overview at `now` (Unix milliseconds), where these accounts are unreachable and no replica has these leases."""
        if self._last is None or not 0 <= now - self._last[0] < INTERVAL:
            overview = await self._reader.overview(now)
            self._last = now, overview, concerns(await self._findings(overview, unreachable, unheld))
        return self._last[1:]

    async def _findings(self, overview: Overview, unreachable: Sequence[str], unheld: Sequence[LeaseKey]) -> Findings:
        circuits, dead = await self._reader.circuits(), await self._reader.dead_counts()
        return Findings(
            overview=overview,
            circuits={name: circuits[name] for name in self._receivers if name in circuits},
            dead={name: dead[name] for name in self._receivers if name in dead},
            orphans=await self._reader.orphans(self._receivers, self._accounts),
            failing_accounts=unreachable,
            unheld=unheld,
            failed_shares=self._failed_shares,
        )
