"""Owns the loop round what time alone brings: jobs that stand still, accounts out of reach, old deliveries."""

from collections.abc import Callable, Mapping
from typing import Final

import structlog

from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import Event, iso
from tracker.core.events.time_driven import Clocks, TimeLimits, overdue_events, reachability_event
from tracker.core.events.types import BY_NAME
from tracker.core.ports.store import Store
from tracker.core.reconciliation.account_health import AccountHealth, Health
from tracker.runtime.heartbeat import Heartbeat

LONGEST_PAUSE: Final = 10.0
"""Seconds between two looks."""

LOOKS_PER_LIMIT: Final = 10
"""So often at least before the shortest of the limits is over: what is late by a tenth of it is not late."""

PRUNED_WITHIN: Final = 3600.0
"""Seconds; a month of a busy receiver is many transactions."""

PRUNE_EVERY: Final = 3_600_000
"""Milliseconds."""


class Janitor:
    """Looks after all accounts, and after the outbox."""

    def __init__(  # noqa: PLR0913 - each is used as it is
        self,
        store: Store,
        health: Health,
        limits: Mapping[str, TimeLimits],
        now: Callable[[], int],
        keep_deliveries: float,
        *,
        steady_since: Callable[[], int] = lambda: 0,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        """`limits` are by account; `keep_deliveries` is in seconds.

        `now` gives Unix milliseconds, and `steady_since` those at which the clock last jumped, 0 where it did not.
        """
        self._store = store
        self._health = health
        self._now = now
        self._steady_since = steady_since
        self._jumped_at = 0
        self._heartbeat = heartbeat or Heartbeat()
        self._pruned_at = 0
        self._looked_at: dict[str, int] = {}  # the sweep that the jobs of an account were looked at as of
        self._log = structlog.get_logger()
        self.set_limits(limits, keep_deliveries)

    def set_limits(self, limits: Mapping[str, TimeLimits], keep_deliveries: float) -> None:
        """Look by these from the next look on."""
        self._limits = limits
        self._keep_deliveries = keep_deliveries

    async def run(self) -> None:
        """Look for ever. A store that fails is tried again: who sweeps says so too."""
        with self._heartbeat.at_work():
            while True:
                try:
                    await self.look_once()
                    with self._heartbeat.waiting(PRUNED_WITHIN):
                        await self.prune_once()
                except StorageError as error:
                    self._log.error("storage.failed", error=str(error))
                await self._heartbeat.sleep(self._pause())

    def _pause(self) -> float:
        shortest = min((min(each.stalled_after, each.unreachable_after) for each in self._limits.values()), default=3600.0)
        return min(LONGEST_PAUSE, shortest / LOOKS_PER_LIMIT)

    async def prune_once(self) -> int:
        """Forget deliveries that ended well long ago, but not again within an hour; how many. Raises `StorageError`."""
        if 0 <= self._now() - self._pruned_at < PRUNE_EVERY:
            return 0
        self._pruned_at = self._now()
        pruned = await self._store.prune(self._now() - round(self._keep_deliveries * 1000))
        if pruned:
            self._log.debug("deliveries.pruned", deliveries=pruned)
        return pruned

    async def look_once(self) -> list[Event]:
        """Log what is due, and return it. Raises `StorageError`."""
        self._follow_clock()
        logged: list[Event] = []
        for account, limits in self._limits.items():
            if health := self._health.accounts.get(account):  # it may have been removed while another was looked at
                logged += await self._look_at(account, health, limits)
        return logged

    def _follow_clock(self) -> None:
        before, self._jumped_at = self._jumped_at, self._steady_since()
        if self._jumped_at != before:
            self._log.warning("clock.jumped", to=iso(self._jumped_at))

    async def _look_at(self, account: str, health: AccountHealth, limits: TimeLimits) -> list[Event]:
        if not health.known:
            return []
        events = [*await self._of_account(account, health, limits), *await self._of_jobs(account, health, limits)]
        logged = list(await self._store.append(events)) if events else []
        for event in logged:
            self._say(event)
        return logged

    async def _of_account(self, account: str, health: AccountHealth, limits: TimeLimits) -> list[Event]:
        told = await self._store.last_account_event(account)
        event = reachability_event(account, health.outage, told, limits, self._now(), self._jumped_at)
        return [event] if event else []

    async def _of_jobs(self, account: str, health: AccountHealth, limits: TimeLimits) -> list[Event]:
        swept_at, clocks = health.swept_at, Clocks(self._jumped_at, round(health.clock_ahead * 1000))
        if swept_at is None or self._looked_at.get(account) == swept_at:
            return []
        events: list[Event] = []
        after = ""
        while standings := await self._store.active_job_statuses(account, after):
            events += overdue_events(account, standings, limits, swept_at, self._now(), clocks)
            after = standings[-1].job.id
        if not events:
            self._looked_at[account] = swept_at
        return events

    def _say(self, event: Event) -> None:
        tell = getattr(self._log, BY_NAME[event.type].level)
        about = {"job": "id", "reason": "reason", "detail": "detail"}
        tell(event.type, account=event.account, **{key: event.data[name] for key, name in about.items() if name in event.data})
