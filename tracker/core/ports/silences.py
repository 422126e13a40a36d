"""Owns the Protocol of the silences that the store has."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from tracker.core.events.event import Event
from tracker.core.silences.silence import Silence

SilencedObserver = Callable[[Mapping[str, int]], None]
"""Called once deliveries are silenced, with how many there are to each receiver."""


class Silences(Protocol):
    """The silences of the same database. Every method with `await` raises `StorageError` as those of `Store` do.

    An event is compared with the silences in the transaction that logs it, at the time of that transaction. The receivers
    concerned are those that are subscribed. A silence begins and ends once, whichever process does it.
    """

    def watch(self, silenced: SilencedObserver) -> None:
        """Call `silenced` with what this process silences."""

    async def add(self, silence: Silence, now: int) -> int | None:
        """Keep the silence. If it begins by `now` (Unix milliseconds), it begins: what is pending and matches is silenced too.

        Returns how many pending deliveries that were, but for replayed ones; None if too many silences are open.
        """

    async def plan(self, windows: Collection[Silence], now: int, *, only: bool) -> Sequence[Event]:
        """Keep these silences of maintenance windows, unless they are there. With `only`, others that are open end.

        The events of those are returned, as by `advance`.
        """

    async def advance(self, now: int) -> Sequence[Event]:
        """Begin and end what is due at `now`, each with its event in the log, which is returned.

        The end goes to the receivers that missed something, whatever their filters.
        """

    async def lift(self, silence_id: str, now: int) -> bool:
        """End the silence at `now`; whether it was open."""
