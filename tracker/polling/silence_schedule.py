"""Owns the loop that begins and ends silences at their time, and keeps the next times of the maintenance windows in the store.

Events are compared with silences as they are logged, so that nothing depends on when this loop comes round: only what a silence
does at its beginning and its end waits for it, that is silencing what is pending, and the digest.
"""

from collections.abc import Callable, Sequence
from typing import Final

import structlog

from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import Event
from tracker.core.ports.silences import Silences
from tracker.core.silences.weekly_window import WeeklyWindow, planned_silences
from tracker.runtime.heartbeat import Heartbeat

PAUSE: Final = 5.0
"""Seconds by which a digest is late at most."""


class SilenceSchedule:
    """Follows the silences of the store while this process has the lease for it."""

    def __init__(self, silences: Silences, now: Callable[[], int], heartbeat: Heartbeat | None = None) -> None:
        """`now` gives Unix milliseconds."""
        self._silences = silences
        self._now = now
        self._heartbeat = heartbeat or Heartbeat()
        self._windows: Sequence[WeeklyWindow] | None = None
        self._log = structlog.get_logger()

    def set_windows(self, windows: Sequence[WeeklyWindow] | None) -> None:
        """The maintenance windows from now on; None where another process follows the silences."""
        self._windows = windows

    async def run(self) -> None:
        """Follow them forever. Where the store fails, the next turn tries again."""
        with self._heartbeat.at_work():
            while True:
                try:
                    await self.advance_once()
                except StorageError as error:
                    self._log.error("storage.failed", error=str(error))
                await self._heartbeat.sleep(PAUSE)

    async def advance_once(self) -> Sequence[Event]:
        """Plan the windows, begin and end what is due, and return the events. Raises `StorageError`."""
        if self._windows is None:
            return ()
        now = self._now()
        planned = await self._silences.plan(planned_silences(self._windows, now), now, only=True)
        events = (*planned, *await self._silences.advance(now))
        for event in events:
            about = {name: event.data[name] for name in ("silence", "scope", "until", "missed") if name in event.data}
            self._log.info(event.type, **about)
        return events
