"""Owns settling: attempts that have ended are committed in groups, with the circuit and the concurrency that follow."""

from collections.abc import Callable, Sequence
from functools import partial

import anyio
import msgspec

from tracker.core.deliveries.adaptive_concurrency_per_receiver import AdaptiveConcurrency
from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.dead_letters import (
    Waiting,
    circuit_events,
    earliest_end,
    first_dead_at,
    warning_due_at,
)
from tracker.core.deliveries.delivery import DeliveryPolicy, Settlement
from tracker.core.events.event import Event
from tracker.core.ports.outbox import Outbox
from tracker.delivery.log_lines import DeliveryLog
from tracker.delivery.under_way import UnderWay


class Settling:
    """The attempts of one receiver that have ended, and its state. `circuit` is None until it is read, or read again."""

    def __init__(  # noqa: PLR0913 - each is used as it is
        self,
        receiver: str,
        policy: DeliveryPolicy,
        outbox: Outbox,
        under_way: UnderWay,
        *,
        now: Callable[[], int],
        jitter: Callable[[], float],
        on_settled: Callable[[Settlement], None],
        lock: anyio.Lock,
    ) -> None:
        """`on_settled` is called with each attempt once it is committed, `lock` is held until then."""
        self.receiver = receiver
        self.circuit: Circuit | None = None
        self.concurrency = AdaptiveConcurrency()
        self.lock = lock
        self._policy = policy
        self._outbox = outbox
        self._under_way = under_way
        self._now = now
        self._jitter = jitter
        self._on_settled = on_settled
        self._ended: list[list[Settlement]] = []  # by message
        self._first_dead_at: int | None = None  # of the deliveries that have failed since the last success
        self._owes_attempt = False  # one of them was due while this process did not run, and may succeed now
        self._before_command: frozenset[int] = frozenset()  # what was under way at the last command
        self._commands = 0
        self._delivery_log = DeliveryLog(receiver)

    @property
    def known_circuit(self) -> Circuit:
        return self.circuit or Circuit()

    @property
    def asks_for_pause(self) -> bool:
        """Whether the receiver has asked for a pause by an answer that is not settled yet."""
        return any(attempt.outcome.pause_seconds for attempt, *_ in self._ended)

    @property
    def has_failures(self) -> bool:
        """Whether an attempt has ended that is not just a success, and is not settled yet."""
        return any(not attempt.outcome.delivered or attempt.outcome.disables for attempt, *_ in self._ended)

    @property
    def warning_due_at(self) -> int | None:
        """When the receiver is to be reported as failing, unless something is delivered (Unix milliseconds)."""
        return self._warning_due_at(self.known_circuit, self._first_dead_at)

    def ended(self, message: list[Settlement]) -> None:
        """The attempt of a message has ended."""
        self._ended.append(message)

    def command_changed(self) -> None:
        """Read the circuit again. Failures of attempts that are under way do not count after the command."""
        self.circuit = None
        self._commands += 1
        self._before_command = frozenset(self._under_way)
        self._under_way.doubt()

    async def settle_ended(self) -> None:
        """Settle the attempts that have ended, and those that end meanwhile as the next group."""
        while self._ended or self.circuit is None or self._is_warning_due():
            async with self.lock:
                if self.circuit is None:
                    await self._read_circuit()
                if self.circuit and (self._ended or self._is_warning_due()):
                    await self._settle_group()

    async def roll_back_clock(self, now: int) -> int:
        """The clock was set back to `now`: adjust what waits, and return how many deliveries did."""
        self.concurrency = AdaptiveConcurrency(width=self.concurrency.width)  # `reduced_at` is by the old clock
        async with self.lock:
            waiting = await self._outbox.roll_back_clock(self.receiver, now)
            await self._read_circuit()
        self._under_way.doubt()
        return waiting

    async def _read_circuit(self) -> None:
        """Read the circuit, unless a command changes it meanwhile, which may be after it was read."""
        commands = self._commands
        circuit = await self._outbox.circuit(self.receiver)
        fails = circuit.failures and not circuit.is_open
        waiting = await self._outbox.waiting(self.receiver) if fails else ()
        self._first_dead_at = first_dead_at(waiting, self._policy.retry, failed_only=True)
        self._owes_attempt = any(each.attempts and each.due_at <= self._now() for each in waiting)
        self.circuit = circuit if commands == self._commands else None

    async def _settle_group(self) -> None:
        if self.has_failures:
            self._under_way.doubt()  # they will be pending again, and may change the circuit
        messages, self._ended = self._ended, []
        group = [settlement for message in messages for settlement in message]
        before, commands = self.known_circuit, self._commands
        self._owes_attempt = self._owes_attempt and not messages
        circuit, concurrency = self._state_after(messages)
        first_dead = earliest_end(group, self._policy.retry, self._first_dead_at) if circuit.failures else None
        if self._is_past(self._warning_due_at(circuit, first_dead)):
            circuit = circuit.opened()
        events: list[Event] = []
        report = partial(self._report_circuit, events, before, circuit) if before.is_open != circuit.is_open else None
        try:
            applied = await self._outbox.settle(self.receiver, group, circuit, report)
        except BaseException:
            self._ended = messages + self._ended
            self.circuit = None  # the file says whether it was committed
            raise
        if applied is None:  # a command of another process came first: these attempts are of before it
            self._ended = messages + self._ended
            self.command_changed()
            return
        self.circuit, self.concurrency = circuit if commands == self._commands else None, concurrency
        self._first_dead_at = first_dead
        self._delivery_log.reported(events)
        settled = frozenset(settlement.delivery.seq for settlement in group)
        self._under_way.remove(settled)
        self._before_command -= settled
        for settlement in group:
            is_applied = settlement.outcome.delivered or settlement.delivery.seq in applied
            self._report_settled(settlement if is_applied else _replayed(settlement))

    def _state_after(self, messages: Sequence[Sequence[Settlement]]) -> tuple[Circuit, AdaptiveConcurrency]:
        """The circuit and the concurrency after these attempts; what failed and began before a command does not count."""
        circuit, concurrency = self.known_circuit, self.concurrency
        for attempt, *_ in messages:
            if attempt.delivery.seq in self._before_command and not attempt.outcome.delivered:
                continue
            circuit = circuit.after(attempt.outcome, attempt.ended_at, self._policy.retry[0], self._jitter())
            concurrency = concurrency.after(attempt)
        return circuit, concurrency

    def _report_settled(self, settlement: Settlement) -> None:
        self._on_settled(settlement)
        self._delivery_log.settled(settlement)

    def _report_circuit(
        self, events: list[Event], before: Circuit, after: Circuit, waiting: Sequence[Waiting]
    ) -> Sequence[Event]:
        """Fill `events`, which is empty or of a transaction that failed, with what is to be logged of the circuit's turn."""
        events[:] = circuit_events(self.receiver, before, after, waiting, self._policy.retry, self._now())
        return events

    def _is_warning_due(self) -> bool:
        return self.circuit is not None and self._is_past(self.warning_due_at)

    def _warning_due_at(self, circuit: Circuit, first_dead: int | None) -> int | None:
        return None if self._owes_attempt else warning_due_at(circuit, first_dead)

    def _is_past(self, moment: int | None) -> bool:
        return moment is not None and moment <= self._now()


def _replayed(settlement: Settlement) -> Settlement:
    """The settlement of a delivery that a replay made pending again while it was under way: due at once."""
    return msgspec.structs.replace(settlement, state="pending", due_at=settlement.ended_at)
