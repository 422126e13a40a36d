"""Owns the delivery to one receiver: deliveries are claimed, sent concurrently, and settled in groups.

The loop sleeps until a delivery is due; a commit wakes it. After a kill between sending and settling the same is sent again.
"""

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from typing import Final

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup

from tracker.core.deliveries.adaptive_concurrency_per_receiver import MAX_CONCURRENCY, AdaptiveConcurrency
from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.dead_letters import (
    Waiting,
    circuit_events,
    earliest_end,
    first_dead_at,
    warning_due_at,
)
from tracker.core.deliveries.delivery import Delivery, DeliveryPolicy, Settlement, settle
from tracker.core.errors.lease_lost_error import LeaseLostError
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import Event
from tracker.core.ports.notifier import AttemptCancelled, Notifier
from tracker.core.ports.outbox import Outbox
from tracker.core.ports.wakeups import Signal, Wakeups
from tracker.delivery.global_concurrency_limit import GlobalConcurrencyLimit
from tracker.delivery.log_lines import DeliveryLog
from tracker.http.rate_limiter import RateLimiter
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.task_groups import task_group

MAX_SLEEP: Final = 3600.0
"""Seconds; after that the loop looks again."""

PAUSE_AFTER_STORAGE_ERROR: Final = 1.0
"""Seconds."""


class Deliverer:
    """Delivers to one receiver."""

    def __init__(  # noqa: PLR0913 - each is used as it is
        self,
        receiver: str,
        policy: DeliveryPolicy,
        notifier: Notifier,
        outbox: Outbox,
        wakeups: Wakeups,
        *,
        now: Callable[[], int],
        jitter: Callable[[], float],
        on_settled: Callable[[Settlement], None] = lambda _settlement: None,
        heartbeat: Heartbeat | None = None,
        concurrency_limit: GlobalConcurrencyLimit | None = None,
        settle_lock: anyio.Lock | None = None,
        rate_limit: RateLimiter | None = None,
    ) -> None:
        """`now` gives Unix milliseconds, `jitter` a number from 0 to 1; `on_settled` is called with each attempt.

        Each message takes a turn of `rate_limit`, also one that is sent again. `settle_lock` is held while attempts are
        settled, and by a command while it changes the receiver's deliveries.
        """
        self.receiver = receiver
        self._policy = policy
        self._notifier = notifier
        self._outbox = outbox
        self._wakeups = wakeups
        self._now = now
        self._jitter = jitter
        self._on_settled = on_settled
        self._heartbeat = heartbeat or Heartbeat()
        self._concurrency_limit = concurrency_limit or GlobalConcurrencyLimit()
        self._rate_limit = rate_limit or RateLimiter(math.inf)
        self._awaits_turn = False  # something may be due that had no turn yet
        self._circuit: Circuit | None = None
        self._first_dead_at: int | None = None  # of the deliveries that have failed since the last success
        self._owes_attempt = False  # one of them was due while this process did not run, and may succeed now
        self._concurrency = AdaptiveConcurrency()
        self._last_now = math.inf  # so that the first reading counts as a clock that was set back
        self._under_way: set[int] = set()
        self._ended: list[list[Settlement]] = []  # by message
        self._settle_lock = settle_lock or anyio.Lock()
        self._before_command: frozenset[int] = frozenset()  # what was under way at the last command
        self._commands = 0
        self._failure: StorageError | None = None  # of an attempt, which the loop raises
        self._storage_failed = False
        self._stopping = False
        self._log = structlog.get_logger().bind(receiver=receiver)
        self._delivery_log = DeliveryLog(receiver)

    async def run(self) -> None:
        """Deliver until stopped. If the store fails, nothing more is sent until the ended attempts are settled.

        Raises `LeaseLostError`: then the attempts that are under way are cancelled.
        """
        with self._heartbeat.at_work():
            async with self._attempts() as group:
                while self._under_way or not self._stopping:
                    try:
                        await self._deliver(group, forever=True)
                    except LeaseLostError:
                        raise
                    except StorageError as error:
                        self._storage_failed = True
                        self._log.error("storage.failed", error=str(error))
                        await self._heartbeat.sleep(PAUSE_AFTER_STORAGE_ERROR)

    def stop(self) -> None:
        """Start no further attempt. `run` ends when those under way are settled."""
        self._stopping = True
        self._wakeups.wake_deliverers([self.receiver])

    async def deliver_due(self) -> None:
        """Deliver until nothing is due and nothing is under way."""
        async with self._attempts() as group:
            await self._deliver(group, forever=False)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Settle nothing while a command changes the receiver's deliveries, and then read the circuit again."""
        async with self._settle_lock:
            try:
                yield
            finally:  # also after an error: the commit may have happened
                self.command_changed()

    def command_changed(self) -> None:
        """Read the circuit again. Failures of attempts that are under way do not count after the command."""
        self._circuit = None
        self._commands += 1
        self._before_command = frozenset(self._under_way)
        self._wakeups.wake_deliverers([self.receiver])

    @asynccontextmanager
    async def _attempts(self) -> AsyncIterator[TaskGroup]:
        """A task group for attempts. It outlives errors of the store: a cancelled attempt may have arrived already."""
        try:
            async with task_group() as group:
                yield group
        finally:
            self._under_way.clear()
            self._concurrency_limit.record(self.receiver, 0)

    async def _deliver(self, group: TaskGroup, *, forever: bool) -> None:
        while True:
            if not self._under_way:  # else only the end of an attempt is a sign of progress
                self._heartbeat.beat()
            await self._settle_ended()
            changed = self._wakeups.deliveries_changed(self.receiver)
            now = await self._read_clock()
            await self._start_due_attempts(group, now)
            if not self._under_way and (self._stopping or not forever):
                return
            await self._wait_for_change(changed, await self._seconds_until_due(now))

    async def _wait_for_change(self, changed: Signal, seconds: float) -> None:
        """Wait for a change; with nothing under way the watchdog does not count the wait."""
        with self._heartbeat.waiting(seconds) if not self._under_way else nullcontext(), anyio.move_on_after(seconds):
            await changed.wait()

    async def _read_clock(self) -> int:
        """The time. If the clock was set back, deliveries do not wait until it is as late again."""
        now = self._now()
        if now < self._last_now:
            self._concurrency = AdaptiveConcurrency(width=self._concurrency.width)  # `reduced_at` is by the old clock
            async with self._settle_lock:
                waiting = await self._outbox.roll_back_clock(self.receiver, now)
                await self._read_circuit()
            if waiting:
                self._log.warning("clock.set_back", deliveries=waiting)
        self._last_now = now
        return now

    async def _start_due_attempts(self, group: TaskGroup, now: int) -> None:
        if self._circuit is None:  # a command has changed it, and wakes this loop
            return
        under_way = self._attempts_under_way
        wanted = self._known_circuit.limit(now, self._concurrency.limit) - under_way
        turns = self._rate_limit.turns_due(wanted)
        self._awaits_turn = turns < wanted
        allowed = self._concurrency_limit.reserve(self.receiver, under_way, turns)
        if not allowed:
            return
        claimed = await self._outbox.claim(self.receiver, now, self._policy.hold, allowed, self._under_way)
        if self._storage_failed:  # what could not be settled has been by now
            self._storage_failed = False
            self._log.info("storage.recovered")
        for message in await self._group_into_messages(claimed):
            if self._stopping:
                return
            self._rate_limit.take()
            self._under_way.update(delivery.seq for delivery in message)
            group.start_soon(self._attempt, message)
        self._concurrency_limit.record(self.receiver, self._attempts_under_way)

    async def _group_into_messages(self, claimed: Sequence[Delivery]) -> list[Sequence[Delivery]]:
        """The deliveries of each message: all that have gathered if they are a burst, else each alone."""
        if claimed and self._policy.digest:
            gathered = await self._outbox.digest_candidates(self.receiver, self._now(), self._policy.hold, self._under_way)
            if len(gathered) > self._policy.digest:
                return [gathered]
        return [[delivery] for delivery in claimed]

    async def _attempt(self, message: Sequence[Delivery]) -> None:
        if any(attempt.outcome.pause_seconds for attempt, *_ in self._ended):  # the receiver has asked for a pause meanwhile
            self._under_way.difference_update(delivery.seq for delivery in message)
            return
        began_at = self._now()
        try:
            outcome = await self._notifier.send(message)
        except (AttemptCancelled, StorageError) as error:
            self._failure = error if isinstance(error, StorageError) else self._failure
            self._under_way.difference_update(delivery.seq for delivery in message)
        else:
            ended_at = self._now()
            jitter = self._jitter()  # one for all: the deliveries of a message are due again together
            self._ended.append([settle(each, outcome, self._policy.retry, (began_at, ended_at), jitter) for each in message])
        self._wakeups.wake_deliverers([self.receiver])

    async def _settle_ended(self) -> None:
        """Settle the attempts that have ended, and those that end meanwhile as the next group."""
        while self._ended or self._circuit is None or self._is_warning_due(self._circuit, self._first_dead_at):
            async with self._settle_lock:
                if self._circuit is None:
                    await self._read_circuit()
                if self._circuit and (self._ended or self._is_warning_due(self._circuit, self._first_dead_at)):
                    await self._settle_group()
        failure, self._failure = self._failure, None
        if failure:
            raise failure

    async def _read_circuit(self) -> None:
        """Read the circuit, unless a command changes it meanwhile, which may be after it was read."""
        commands = self._commands
        circuit = await self._outbox.circuit(self.receiver)
        fails = circuit.failures and not circuit.is_open
        waiting = await self._outbox.waiting(self.receiver) if fails else ()
        self._first_dead_at = first_dead_at(waiting, self._policy.retry, failed_only=True)
        self._owes_attempt = any(each.attempts and each.due_at <= self._now() for each in waiting)
        self._circuit = circuit if commands == self._commands else None

    async def _settle_group(self) -> None:
        messages, self._ended = self._ended, []
        group = [settlement for message in messages for settlement in message]
        before = circuit = self._known_circuit
        concurrency, commands = self._concurrency, self._commands
        for attempt, *_ in messages:
            if attempt.delivery.seq in self._before_command and not attempt.outcome.delivered:
                continue
            circuit = circuit.after(attempt.outcome, attempt.ended_at, self._policy.retry[0], self._jitter())
            concurrency = concurrency.after(attempt)
        self._owes_attempt = self._owes_attempt and not messages
        first_dead = earliest_end(group, self._policy.retry, self._first_dead_at) if circuit.failures else None
        if self._is_warning_due(circuit, first_dead):
            circuit = circuit.opened()
        events: list[Event] = []
        report = partial(self._report_circuit, events, before, circuit) if before.is_open != circuit.is_open else None
        try:
            applied = await self._outbox.settle(self.receiver, group, circuit, report)
        except BaseException:
            self._ended = messages + self._ended
            self._circuit = None  # the file says whether it was committed
            raise
        if applied is None:  # a command of another process came first: these attempts are of before it
            self._ended = messages + self._ended
            self.command_changed()
            return
        self._circuit, self._concurrency = circuit if commands == self._commands else None, concurrency
        self._first_dead_at = first_dead
        self._delivery_log.reported(events)
        settled = frozenset(settlement.delivery.seq for settlement in group)
        self._under_way -= settled
        self._before_command -= settled
        self._heartbeat.beat()
        for settlement in group:
            is_applied = settlement.outcome.delivered or settlement.delivery.seq in applied
            stands = settlement if is_applied else _replayed(settlement)
            self._on_settled(stands)
            self._delivery_log.settled(stands)

    def _report_circuit(
        self, events: list[Event], before: Circuit, after: Circuit, waiting: Sequence[Waiting]
    ) -> Sequence[Event]:
        """Fill `events`, which is empty or of a transaction that failed, with what is to be logged of the circuit's turn."""
        events[:] = circuit_events(self.receiver, before, after, waiting, self._policy.retry, self._now())
        return events

    def _is_warning_due(self, circuit: Circuit, first_dead: int | None) -> bool:
        due_at = None if self._owes_attempt else warning_due_at(circuit, first_dead)
        return due_at is not None and due_at <= self._now()

    async def _seconds_until_due(self, checked_at: int) -> float:
        """Seconds until something is due that was not due at `checked_at` (Unix milliseconds); it may be due already."""
        if self._attempts_under_way >= self._concurrency.limit:  # the end of an attempt wakes this loop
            return MAX_SLEEP
        due = await self._outbox.next_due(self.receiver, checked_at, self._policy.hold)
        times = [at for at in (due, self._known_circuit.quiet_until) if at is not None and at > checked_at]
        if not self._owes_attempt and (warning := warning_due_at(self._known_circuit, self._first_dead_at)) is not None:
            times.append(max(warning, checked_at + 1))  # it was not due when the attempts that had ended were settled
        seconds = [max(min(times) - self._now(), 0) / 1000] if times else []
        seconds += [self._rate_limit.seconds_until_due()] if self._awaits_turn else []
        return min([*seconds, MAX_SLEEP])

    @property
    def _attempts_under_way(self) -> int:
        """At most `MAX_CONCURRENCY`: a message may have any number of deliveries, and is one attempt."""
        return min(len(self._under_way), MAX_CONCURRENCY)

    @property
    def _known_circuit(self) -> Circuit:
        return self._circuit or Circuit()


def _replayed(settlement: Settlement) -> Settlement:
    """The settlement of a delivery that a replay made pending again while it was under way: due at once."""
    return msgspec.structs.replace(settlement, state="pending", due_at=settlement.ended_at)
