"""Owns the reminders of what stays broken: an unreachable account, a failing receiver, a stalled job.

The event of an episode is logged again, for the receivers that ask for it, while the episode lasts. When the next one is due
follows from the last one in the log: a restart or another replica repeats none, and after a long pause there is one, not many.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.dead_letters import FAILING, Waiting, failing_event
from tracker.core.deliveries.fan_out import Subscription, fan_out, matches_type
from tracker.core.events.event import Event, Reminder, batch_event, plain_event
from tracker.core.events.time_limits import STALLED, UNREACHABLE, ActiveJobStatus, Outage
from tracker.core.jobs.status import RUNNING

REMINDED_TYPES: Final = (UNREACHABLE, FAILING, STALLED)
"""The types of events that have reminders."""


class Reminders(msgspec.Struct, frozen=True, kw_only=True):
    """The `subscriptions` that are to be reminded.

    `retry` is the schedule of each receiver whose failures are looked at (seconds).
    """

    subscriptions: tuple[Subscription, ...] = ()
    retry: Mapping[str, Sequence[float]] = {}

    @property
    def is_of_receivers(self) -> bool:
        """Whether receivers are to be looked at."""
        return bool(self.retry) and any(matches_type(FAILING, each.events) for each in self.subscriptions)

    @property
    def shortest(self) -> float:
        """Seconds between two reminders, at least; infinity if no receiver is reminded."""
        return min((each.remind_every for each in self.subscriptions), default=math.inf)

    def of_stalled(self, account: str, statuses: Iterable[ActiveJobStatus], now: int) -> Iterator[Event]:
        """The reminders that are due of stalled jobs; `now` is Unix milliseconds, as below."""
        for status in statuses:
            if status.reminder and status.job.status == RUNNING and self.may_be_due(STALLED, status.reminder, now):
                yield from self._due(batch_event(STALLED, account, status.job, {}, now), status.reminder)

    def of_account(self, account: str, outage: Outage | None, last: Event | None, now: int) -> Iterator[Event]:
        """The reminder of an account that is unreachable, if it is due; `last` is the last event about it in the log."""
        if outage is None or last is None or last.type != UNREACHABLE:
            return
        reminder = Reminder.after(last)
        if self.may_be_due(UNREACHABLE, reminder, now):
            data = last.data | {"reason": outage.failure.reason.value, "detail": outage.failure.detail}
            yield from self._due(plain_event(UNREACHABLE, account, data, now), reminder)

    def of_receiver(self, name: str, circuit: Circuit, waiting: Sequence[Waiting], reminder: Reminder, now: int) -> list[Event]:
        """The reminder of a receiver that fails or is disabled, if it is due."""
        if not self.may_be_due(FAILING, reminder, now):
            return []
        return [*self._due(failing_event(name, circuit, waiting, self.retry[name], now), reminder)]

    def may_be_due(self, type_: str, reminder: Reminder, now: int) -> bool:
        """Whether the interval has passed of any receiver that gets events of this type."""
        return any(matches_type(type_, each.events) and reminder.is_due(each.remind_every, now) for each in self.subscriptions)

    def _due(self, event: Event, reminder: Reminder) -> Iterator[Event]:
        """The event as a reminder, if any receiver gets it."""
        event = msgspec.structs.replace(event, reminder=reminder)
        if fan_out(self.subscriptions, event):
            yield event


def is_receiver_reminder(event: Event) -> bool:
    """Whether the event is a reminder of a receiver."""
    return event.type == FAILING and isinstance(event.reminder, Reminder)


NO_REMINDERS: Final = Reminders()
