"""Owns finding the receivers of which others are to be reminded: those that the database has as failing or disabled."""

from collections.abc import Iterable

from tracker.core.deliveries.dead_letters import FAILING
from tracker.core.deliveries.reminders import Reminders
from tracker.core.events.event import Event, Reminder
from tracker.core.ports.store import Store


class ReceiverReminders:
    """The reminders of failing receivers. The log is read once for each event in it, whatever number of checks there are."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._next: dict[str, tuple[int | None, Reminder]] = {}  # by receiver: since when it fails, and what comes next

    async def due(self, reminders: Reminders, now: int) -> list[Event]:
        """The reminders that are due now (Unix milliseconds). Raises `StorageError`."""
        if not reminders.is_of_receivers:
            self._next.clear()  # another process may log them from now on
            return []
        circuits = await self._store.failing_receivers()
        found: list[Event] = []
        for name in sorted(reminders.retry.keys() & circuits.keys()):
            reminder, circuit = await self._next_of(name, circuits[name].since), circuits[name]
            if reminder and reminders.of_receiver(name, circuit, (), reminder, now):
                found += reminders.of_receiver(name, circuit, await self._store.outbox.waiting(name), reminder, now)
        return found

    def logged(self, events: Iterable[Event]) -> None:
        """These are in the log now: what comes after them is read again."""
        for event in events:
            if event.type == FAILING:
                self._next.pop(event.data["receiver"], None)

    async def _next_of(self, name: str, since: int | None) -> Reminder | None:
        """What the next reminder of the receiver says; None if the log does not have that it fails."""
        known = self._next.get(name)
        if known and known[0] == since:
            return known[1]
        last = await self._store.last_receiver_event(name)
        if last is None or last.type != FAILING:
            return None
        self._next[name] = since, Reminder.after(last)
        return self._next[name][1]
