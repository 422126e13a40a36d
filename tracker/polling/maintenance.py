"""Owns the loop that logs what time alone brings (a stalled job, an unreachable account, a reminder), and prunes old data."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from math import inf, isinf
from typing import Final

import structlog

from tracker.core.deliveries.reminders import NO_REMINDERS, Reminders
from tracker.core.errors.lease_lost_error import LeaseLostError
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import Event, Reminder, iso
from tracker.core.events.event_type_table import BY_NAME
from tracker.core.events.time_limits import Clocks, TimeLimits, overdue_events, reachability_event
from tracker.core.health.readiness import AccountHealth, Health
from tracker.core.ports.store import Store
from tracker.core.results.archive_task import GIVE_UP_AFTER
from tracker.polling.receiver_reminders import ReceiverReminders
from tracker.runtime.heartbeat import Heartbeat

MAX_PAUSE: Final = 10.0
"""Seconds between two checks."""

CHECKS_PER_LIMIT: Final = 10
"""Checks, at least, before the shortest limit is over: an event is late by a tenth of it at most."""

PRUNE_DEADLINE: Final = 3600.0
"""Seconds; a month of a busy receiver is many transactions."""

PRUNE_EVERY: Final = 3_600_000
"""Milliseconds."""

MOVE_STEP: Final = 0.1
"""The part of `keep_events` that is moved into segments together: each move costs what straddles it, and a file."""


class Maintenance:
    """Checks the accounts that this process polls, and prunes the outbox and the archive tasks."""

    def __init__(  # noqa: PLR0913 - each is used as it is
        self,
        store: Store,
        health: Health,
        limits: Mapping[str, TimeLimits],
        now: Callable[[], int],
        keep_deliveries: float | None,
        *,
        steady_since: Callable[[], int] = lambda: 0,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        """`limits` are by account; `keep_deliveries` is in seconds, None where another process prunes.

        `now` gives Unix milliseconds, and `steady_since` those at which the clock last jumped, 0 where it did not.
        """
        self._store = store
        self._health = health
        self._now = now
        self._steady_since = steady_since
        self._jumped_at = 0
        self._heartbeat = heartbeat or Heartbeat()
        self._pruned_at = 0
        self._checked_sweeps: dict[str, int] = {}  # the sweep that the jobs of an account were checked as of
        self._log = structlog.get_logger()
        self._receiver_reminders = ReceiverReminders(store)
        self._held_by: str | None = None
        self.set_limits(limits, keep_deliveries)

    def set_limits(
        self,
        limits: Mapping[str, TimeLimits],
        keep_deliveries: float | None,
        reminders: Reminders = NO_REMINDERS,
        keep_events: float = inf,
    ) -> None:
        """Apply these limits from the next check on, and remind as `reminders` says; `keep_events` is in seconds."""
        self._limits = limits
        self._keep_deliveries = keep_deliveries
        self._keep_events = keep_events
        self._reminders = reminders

    async def run(self) -> None:
        """Check forever. Where the store fails, the next check tries again."""
        with self._heartbeat.at_work():
            while True:
                try:
                    await self.check_once()
                    with self._heartbeat.waiting(PRUNE_DEADLINE):
                        await self.prune_once()
                except StorageError as error:
                    self._log.error("storage.failed", error=str(error))
                await self._heartbeat.sleep(self._pause())

    def _pause(self) -> float:
        shortest = min((min(each.stalled_after, each.unreachable_after) for each in self._limits.values()), default=3600.0)
        return min(MAX_PAUSE, min(shortest, self._reminders.shortest) / CHECKS_PER_LIMIT)

    async def prune_once(self) -> int:
        """Forget deliveries that ended well long ago, and archive tasks that nothing works at; how many deliveries.

        Then move old events into segments. It does so once an hour at most. Raises `StorageError`.
        """
        if self._keep_deliveries is None or 0 <= self._now() - self._pruned_at < PRUNE_EVERY:
            return 0
        self._pruned_at = self._now()
        pruned = await self._store.prune(self._now() - round(self._keep_deliveries * 1000))
        if pruned:
            self._log.debug("deliveries.pruned", deliveries=pruned)
        await self._drop_archive_tasks()
        await self._move_events()
        return pruned

    async def _move_events(self) -> None:
        """Move events into segments that were kept for long enough, and log what holds back others, when that changes."""
        if isinf(self._keep_events):
            return
        kept = round(self._keep_events * 1000)
        moved = await self._store.move_events(self._now() - kept, round(kept * MOVE_STEP))
        if moved.events:
            self._log.info("events.moved", events=moved.events, first_seq=moved.first_seq)
        if moved.held_by and moved.held_by != self._held_by:
            self._log.warning("events.held", first_seq=moved.first_seq, reason=moved.held_by)
        self._held_by = moved.held_by

    async def _drop_archive_tasks(self) -> None:
        """Drop the tasks of accounts that are not archived any more, once an archiver would have given them up."""
        if dropped := await self._store.archive.drop_disabled(self._now() - round(GIVE_UP_AFTER * 1000)):
            self._log.warning("archive.dropped", tasks=dropped)

    async def check_once(self) -> list[Event]:
        """Log what is due, and return it. Raises `StorageError`."""
        self._follow_clock()
        logged: list[Event] = []
        for account, limits in self._limits.items():
            if health := self._health.accounts.get(account):  # it may have been removed while another was checked
                with suppress(LeaseLostError):  # another replica checks the account
                    logged += await self._check_account(account, health, limits)
        with suppress(LeaseLostError):  # another replica looks after the receivers
            reminders = await self._append(await self._receiver_reminders.due(self._reminders, self._now()))
            self._receiver_reminders.logged(reminders)
            logged += reminders
        return logged

    def _follow_clock(self) -> None:
        before, self._jumped_at = self._jumped_at, self._steady_since()
        if self._jumped_at != before:
            self._log.warning("clock.jumped", to=iso(self._jumped_at))

    async def _check_account(self, account: str, health: AccountHealth, limits: TimeLimits) -> list[Event]:
        if not health.known:
            return []
        events = [*await self._account_events(account, health, limits), *await self._job_events(account, health, limits)]
        return await self._append(events)

    async def _append(self, events: Sequence[Event]) -> list[Event]:
        logged = list(await self._store.append(events)) if events else []
        for event in logged:
            self._log_event(event)
        return logged

    async def _account_events(self, account: str, health: AccountHealth, limits: TimeLimits) -> list[Event]:
        last_event = await self._store.last_account_event(account)
        event = reachability_event(account, health.outage, last_event, limits, self._now(), self._jumped_at)
        if event:
            return [event]
        return [*self._reminders.of_account(account, health.outage, last_event, self._now())]

    async def _job_events(self, account: str, health: AccountHealth, limits: TimeLimits) -> list[Event]:
        swept_at, clocks = health.swept_at, Clocks(self._jumped_at, round(health.clock_ahead * 1000))
        if swept_at is None or self._checked_sweeps.get(account) == swept_at:
            return []
        events: list[Event] = []
        after = ""
        while statuses := await self._store.active_job_statuses(account, after):
            events += overdue_events(account, statuses, limits, swept_at, self._now(), clocks)
            events += self._reminders.of_stalled(account, statuses, self._now())
            after = statuses[-1].job.id
        if not events:
            self._checked_sweeps[account] = swept_at
        return events

    def _log_event(self, event: Event) -> None:
        log_line = getattr(self._log, BY_NAME[event.type].level)
        names = {"job": "id", "receiver": "receiver", "reason": "reason", "detail": "detail"}
        about = {key: event.data[name] for key, name in names.items() if name in event.data}
        if event.account:
            about["account"] = event.account
        if isinstance(event.reminder, Reminder):
            about["reminder"] = event.reminder.number
        log_line(event.type, **about)
