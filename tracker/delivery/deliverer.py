"""Owns the delivery to one receiver: deliveries are claimed, sent concurrently, and settled in groups.

The loop sleeps until a delivery is due; a commit wakes it. Where nothing else is pending, a commit hands new deliveries over in
memory, and nothing is read. After a kill between committing and settling they are sent, be it again, by the next process.
"""

import math
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, nullcontext
from functools import partial
from itertools import islice
from typing import Final

import anyio
import structlog
from anyio.abc import TaskGroup

from tracker.core.deliveries.adaptive_concurrency_per_receiver import MAX_CONCURRENCY, AdaptiveConcurrency
from tracker.core.deliveries.delivery import Delivery, DeliveryPolicy, NewDelivery, Settlement, settle
from tracker.core.errors.lease_lost_error import LeaseLostError
from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.notifier import AttemptCancelled, Notifier
from tracker.core.ports.outbox import Outbox
from tracker.core.ports.wakeups import Signal, Wakeups
from tracker.delivery.global_concurrency_limit import GlobalConcurrencyLimit
from tracker.delivery.settling import Settling
from tracker.delivery.under_way import UnderWay
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
        self._last_now = math.inf  # so that the first reading counts as a clock that was set back
        self._under_way = UnderWay(partial(wakeups.deliveries_news, receiver))
        self._settling = Settling(
            receiver,
            policy,
            outbox,
            self._under_way,
            now=now,
            jitter=jitter,
            on_settled=self._settled,
            lock=settle_lock or anyio.Lock(),
        )
        self._failure: StorageError | None = None  # of an attempt, which the loop raises
        self._storage_failed = False
        self._stopping = False
        self._log = structlog.get_logger().bind(receiver=receiver)

    async def run(self) -> None:
        """Deliver until stopped. If the store fails, nothing more is sent until the ended attempts are settled.

        Raises `LeaseLostError`: then the attempts that are under way are cancelled.
        """
        with self._heartbeat.at_work():
            async with self._attempts() as group:
                with self._wakeups.dispatch_to(self.receiver, partial(self._dispatch, group)):
                    await self._deliver_forever(group)

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
        async with self._settling.lock:
            try:
                yield
            finally:  # also after an error: the commit may have happened
                self.command_changed()

    def command_changed(self) -> None:
        """Read the circuit again. Failures of attempts that are under way do not count after the command."""
        self._settling.command_changed()
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

    async def _deliver_forever(self, group: TaskGroup) -> None:
        while self._under_way or not self._stopping:
            try:
                await self._deliver(group, forever=True)
            except LeaseLostError:
                raise
            except StorageError as error:
                self._storage_failed = True
                self._log.error("storage.failed", error=str(error))
                await self._heartbeat.sleep(PAUSE_AFTER_STORAGE_ERROR)

    async def _deliver(self, group: TaskGroup, *, forever: bool) -> None:
        self._under_way.doubt()
        while True:
            if not self._under_way:  # else only the end of an attempt is a sign of progress
                self._heartbeat.beat()
            await self._settle_ended()
            changed = self._wakeups.deliveries_changed(self.receiver)
            now = await self._read_clock()
            if not self._under_way.is_all:
                self._under_way.look()
                await self._start_due_attempts(group, now)
            if not self._under_way and (self._stopping or not forever):
                return
            await self._wait_for_change(changed, await self._seconds_until_due(now))

    async def _wait_for_change(self, changed: Signal, seconds: float) -> None:
        """Wait for a change; with nothing under way the watchdog does not count the wait."""
        with self._heartbeat.waiting(seconds) if not self._under_way else nullcontext(), anyio.move_on_after(seconds):
            await changed.wait()
            return
        self._under_way.doubt()

    async def _read_clock(self) -> int:
        """The time. If the clock was set back, deliveries do not wait until it is as late again."""
        now = self._now()
        if now < self._last_now and (waiting := await self._settling.roll_back_clock(now)):
            self._log.warning("clock.set_back", deliveries=waiting)
        self._last_now = now
        return now

    async def _start_due_attempts(self, group: TaskGroup, now: int) -> None:
        if self._settling.circuit is None:  # a command has changed it, and wakes this loop
            return
        under_way = self._attempts_under_way
        wanted = self._settling.known_circuit.limit(now, self._concurrency.limit) - under_way
        turns = self._rate_limit.turns_due(wanted)
        self._awaits_turn = turns < wanted
        allowed = self._concurrency_limit.reserve(self.receiver, under_way, turns)
        if not allowed:
            return
        claimed = await self._outbox.claim(self.receiver, now, self._policy.hold, allowed, self._under_way)
        self._awaits_turn = self._awaits_turn and len(claimed) == allowed
        if self._storage_failed:  # what could not be settled has been by now
            self._storage_failed = False
            self._log.info("storage.recovered")
        for message in await self._group_into_messages(claimed):
            if self._stopping:
                return
            self._start_attempt(group, message)
        self._concurrency_limit.record(self.receiver, self._attempts_under_way)

    def _dispatch(self, group: TaskGroup, new: Iterator[NewDelivery]) -> bool:
        """Send the `new` deliveries of a commit if a claim would return exactly them now; whether it does.

        Where anything is in the way, such as an earlier delivery of the stream, the loop claims them when it is their time.
        """
        now, under_way = self._now(), self._attempts_under_way
        room = self._room_for_new(now) - under_way
        if room <= 0:
            return False
        found = [*islice(new, room + 1)]
        if len(found) > room or not self._may_start(found, now) or not self._reserve(under_way, len(found)):
            return False
        for delivery, _ in found:
            self._start_attempt(group, [delivery])
        if not under_way:  # the loop waits as if it had nothing to do, and the watchdog would not count that
            self._wakeups.attempts_changed(self.receiver)
        return True

    def _room_for_new(self, now: int) -> int:
        """How many attempts may be under way, new deliveries included; 0 where the outbox has to be read first."""
        circuit = self._settling.circuit
        if circuit is None or self._settling.has_failures or self._stopping or self._policy.digest:
            return 0
        is_known = self._under_way.is_all and now >= self._last_now
        return circuit.limit(now, self._concurrency.limit) if is_known else 0

    def _may_start(self, new: Sequence[NewDelivery], now: int) -> bool:
        """Whether all of them are due, have turns, and follow nothing that is under way."""
        return (
            all(due_at <= now for _, due_at in new)
            and self._rate_limit.turns_due(len(new)) == len(new)
            and self._under_way.has_no_stream_of([delivery for delivery, _ in new])
        )

    def _reserve(self, under_way: int, wanted: int) -> bool:
        """Reserve `wanted` attempts beside those under way: all of them, or none."""
        if self._concurrency_limit.reserve(self.receiver, under_way, wanted) == wanted:
            return True
        self._concurrency_limit.record(self.receiver, under_way)
        return False

    def _start_attempt(self, group: TaskGroup, message: Sequence[Delivery]) -> None:
        self._rate_limit.take()
        self._under_way.add(message)
        group.start_soon(self._attempt, message)

    async def _group_into_messages(self, claimed: Sequence[Delivery]) -> list[Sequence[Delivery]]:
        """The deliveries of each message: all that have gathered if they are a burst, else each alone."""
        if claimed and self._policy.digest:
            gathered = await self._outbox.digest_candidates(self.receiver, self._now(), self._policy.hold, self._under_way)
            if len(gathered) > self._policy.digest:
                return [gathered]
        return [[delivery] for delivery in claimed]

    async def _attempt(self, message: Sequence[Delivery]) -> None:
        if self._settling.asks_for_pause:
            self._withdraw(message)
            return
        began_at = self._now()
        try:
            outcome = await self._notifier.send(message)
        except (AttemptCancelled, StorageError) as error:
            self._failure = error if isinstance(error, StorageError) else self._failure
            self._withdraw(message)
        else:
            ended_at = self._now()
            jitter = self._jitter()  # one for all: the deliveries of a message are due again together
            ended = [settle(each, outcome, self._policy.retry, (began_at, ended_at), jitter) for each in message]
            self._settling.ended(ended)
            self._wakeups.attempts_changed(self.receiver)

    def _withdraw(self, message: Sequence[Delivery]) -> None:
        """Leave `message` pending: its attempt was not made, or nothing is known of it."""
        self._under_way.remove(delivery.seq for delivery in message)
        self._wakeups.wake_deliverers([self.receiver])

    async def _settle_ended(self) -> None:
        """Settle the attempts that have ended. Raises the error of one that could not read or write what it needed."""
        await self._settling.settle_ended()
        self._concurrency_limit.record(self.receiver, self._attempts_under_way)
        failure, self._failure = self._failure, None
        if failure:
            raise failure

    def _settled(self, settlement: Settlement) -> None:
        self._heartbeat.beat()
        self._on_settled(settlement)

    async def _seconds_until_due(self, checked_at: int) -> float:
        """Seconds until something is due that was not due at `checked_at` (Unix milliseconds); it may be due already."""
        if self._attempts_under_way >= self._concurrency.limit:  # the end of an attempt wakes this loop
            return MAX_SLEEP
        due = None if self._under_way.is_all else await self._next_due(checked_at)
        times = [at for at in (due, self._settling.known_circuit.quiet_until) if at is not None and at > checked_at]
        if (warning := self._settling.warning_due_at) is not None:
            times.append(max(warning, checked_at + 1))  # it was not due when the attempts that had ended were settled
        seconds = [max(min(times) - self._now(), 0) / 1000] if times else []
        seconds += [self._rate_limit.seconds_until_due()] if self._awaits_turn and not self._under_way.is_all else []
        return min([*seconds, MAX_SLEEP])

    async def _next_due(self, checked_at: int) -> int | None:
        """When something else is due that was not due at `checked_at`."""
        rest = await self._outbox.rest(self.receiver, checked_at, self._policy.hold, self._under_way)
        self._under_way.found(rest)
        return rest.next_due

    @property
    def _concurrency(self) -> AdaptiveConcurrency:
        return self._settling.concurrency

    @property
    def _attempts_under_way(self) -> int:
        """At most `MAX_CONCURRENCY`: a message may have any number of deliveries, and is one attempt."""
        return min(len(self._under_way), MAX_CONCURRENCY)
