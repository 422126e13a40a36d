"""Owns the Protocol of the deliveries that have not ended."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple, Protocol

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.dead_letters import Waiting
from tracker.core.deliveries.delivery import Delivery, Settlement
from tracker.core.events.event import Event

Report = Callable[[Sequence[Waiting]], Sequence[Event]]


class Rest(NamedTuple):
    """What is pending besides the deliveries that are under way.

    `next_due` is the next moment (Unix milliseconds) at which something may become due; None if there is none.
    """

    is_empty: bool
    next_due: int | None


class Outbox(Protocol):
    """The deliveries that have not ended. Every method with `await` raises `StorageError` as those of `Store` do."""

    async def circuit(self, receiver: str) -> Circuit:
        """The receiver's state when it was last settled."""

    async def claim(self, receiver: str, now: int, hold: float, limit: int, under_way: Collection[int]) -> Sequence[Delivery]:
        """Up to `limit` deliveries that are due and that no earlier one of their stream holds back, the longest due first.

        `hold` is in seconds, `under_way` are the seqs of those that are being sent already.
        """

    async def digest_candidates(self, receiver: str, now: int, hold: float, under_way: Collection[int]) -> Sequence[Delivery]:
        """What a digest may contain, in the log's order: all that is due or was never tried, and that nothing holds back."""

    async def rest(self, receiver: str, now: int, hold: float, under_way: Collection[int]) -> Rest:
        """What is pending besides `under_way`, and what becomes due after `now` (Unix milliseconds)."""

    async def roll_back_clock(self, receiver: str, now: int) -> int:
        """The clock was set back to `now`: each wait that began later begins now. Returns how many deliveries had one."""

    async def waiting(self, receiver: str) -> Sequence[Waiting]:
        """The pending deliveries of the receiver, counted by how many of their attempts have failed."""

    async def settle(
        self, receiver: str, settlements: Sequence[Settlement], circuit: Circuit, report: Report | None = None
    ) -> Collection[int] | None:
        """Commit the outcome of attempts, the receiver's new state, and the events that report it: all or nothing.

        `report` makes these events of what is pending once the attempts are settled.
        Returns the seqs of the deliveries that stand as settled. A failed attempt does not settle a delivery that was replayed,
        moved or dropped while the attempt was under way. Where another process has replayed or enabled the receiver since
        `circuit` was read, nothing is committed, and None is returned: read the circuit and settle again.
        """
