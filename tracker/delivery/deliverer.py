"""Owns the right half of the flow: the deliveries of one receiver, claimed, sent side by side, and settled in groups.

What is due later is slept for; a commit wakes. A process that is killed between sending and settling sends again.
"""

import math
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, nullcontext
from typing import Final

import anyio
import msgspec
import structlog
from anyio.abc import TaskGroup

from tracker.core.deliveries.adaptive_concurrency import MAX_CONCURRENCY, AdaptiveConcurrency
from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Delivery, DeliveryPolicy, Settlement, settle
from tracker.core.deliveries.fan_out import stream_labels
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import Event, iso, plain_event
from tracker.core.ports.notifier import AttemptCancelled, Notifier
from tracker.core.ports.outbox import Outbox
from tracker.core.ports.wakeups import Signal, Wakeups
from tracker.delivery.concurrency_limit import ConcurrencyLimit
from tracker.runtime.heartbeat import Heartbeat
from tracker.runtime.task_groups import task_group

LONGEST_SLEEP: Final = 3600.0
"""Seconds; what is further away is looked at again."""

PAUSE_AFTER_STORAGE_ERROR: Final = 1.0
"""Seconds."""


class Deliverer:
    """Delivers to one receiver."""

    def __init__(  # noqa: PLR0913 - each is used as it is
        self,
        receiver: str,
        terms: DeliveryPolicy,
        notifier: Notifier,
        outbox: Outbox,
        wakeups: Wakeups,
        *,
        now: Callable[[], int],
        jitter: Callable[[], float],
        settled: Callable[[Settlement], None] = lambda _settlement: None,
        heartbeat: Heartbeat | None = None,
        sharing: ConcurrencyLimit | None = None,
        settling: anyio.Lock | None = None,
    ) -> None:
        """`now` gives Unix milliseconds, `jitter` a number from 0 to 1; `settled` is told of each attempt.

        `settling` is held while attempts are settled; whoever changes the receiver's deliveries meanwhile holds it instead.
        """
        self.receiver = receiver
        self._terms = terms
        self._notifier = notifier
        self._outbox = outbox
        self._wakeups = wakeups
        self._now = now
        self._jitter = jitter
        self._told = settled
        self._heartbeat = heartbeat or Heartbeat()
        self._sharing = sharing or ConcurrencyLimit()
        self._circuit: Circuit | None = None
        self._window = AdaptiveConcurrency()
        self._latest = math.inf  # what the clock said last; who knows what it said before
        self._under_way: set[int] = set()
        self._ended: list[list[Settlement]] = []  # by message
        self._settling = settling or anyio.Lock()
        self._before_command: frozenset[int] = frozenset()  # what was under way when a command changed something
        self._failure: StorageError | None = None  # of an attempt, for the loop to tell
        self._storage_failed = False
        self._leaving = False
        self._log = structlog.get_logger().bind(receiver=receiver)

    async def run(self) -> None:
        """Deliver until told to leave. An unreachable store is waited for: until it has what became of all sent, no more is."""
        with self._heartbeat.at_work():
            async with self._attempts() as group:
                while self._under_way or not self._leaving:
                    try:
                        await self._deliver(group, forever=True)
                    except StorageError as error:
                        self._storage_failed = True
                        self._log.error("storage.failed", error=str(error))
                        await self._heartbeat.sleep(PAUSE_AFTER_STORAGE_ERROR)

    def stop(self) -> None:
        """Start no further attempt, and let `run` end once what came of those under way is settled."""
        self._leaving = True
        self._wakeups.wake_deliverers([self.receiver])

    async def deliver_due(self) -> None:
        """Deliver what is due, and what becomes due meanwhile, until nothing is due and nothing under way."""
        async with self._attempts() as group:
            await self._deliver(group, forever=False)

    @asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """Settle nothing while the context lasts, in which a command changes something, and then read the circuit again."""
        async with self._settling:
            try:
                yield
            finally:  # also where it failed: COMMIT may have committed nevertheless
                self.command_changed()

    def command_changed(self) -> None:
        """Read the circuit again. An attempt that is under way and fails says nothing of the receiver after the command."""
        self._circuit = None
        self._before_command = frozenset(self._under_way)
        self._wakeups.wake_deliverers([self.receiver])

    @asynccontextmanager
    async def _attempts(self) -> AsyncIterator[TaskGroup]:
        """For attempts, which outlive what fails in the store: one that is cancelled may have arrived, and would come again."""
        try:
            async with task_group() as group:
                yield group
        finally:
            self._under_way.clear()
            self._sharing.tell(self.receiver, 0)

    async def _deliver(self, group: TaskGroup, *, forever: bool) -> None:
        while True:
            if not self._under_way:  # else only what becomes of an attempt shows that they get on
                self._heartbeat.beat()
            await self._settle_ended()
            changed = self._wakeups.deliveries_changed(self.receiver)
            now = await self._follow_clock()
            await self._start_due(group, now)
            if not self._under_way and (self._leaving or not forever):
                return
            await self._nap(changed, await self._seconds_to_next(now))

    async def _nap(self, changed: Signal, seconds: float) -> None:
        """Wait for a change. With nothing under way that may well take so long; else it is an attempt that is waited for."""
        with self._heartbeat.waiting(seconds) if not self._under_way else nullcontext(), anyio.move_on_after(seconds):
            await changed.wait()

    async def _follow_clock(self) -> int:
        """What time it is; where the clock was set back, nothing waits until it is as late again."""
        now = self._now()
        if now < self._latest:
            self._window = AdaptiveConcurrency(
                width=self._window.width
            )  # when it was narrowed, by the clock of before, says nothing now
            async with self._settling:
                waiting = await self._outbox.roll_back_clock(self.receiver, now)
                self._circuit = await self._outbox.circuit(self.receiver)
            if waiting:
                self._log.warning("clock.set_back", deliveries=waiting)
        self._latest = now
        return now

    async def _start_due(self, group: TaskGroup, now: int) -> None:
        if self._circuit is None:  # a command has changed it, and wakes
            return
        under_way = self._attempts_at_most
        room = self._sharing.take(self.receiver, under_way, self._known_circuit.limit(now, self._window.limit) - under_way)
        if not room:
            return
        claimed = await self._outbox.claim(self.receiver, now, self._terms.hold, room, self._under_way)
        if self._storage_failed:  # and what could not be settled has been by now
            self._storage_failed = False
            self._log.info("storage.works_again")
        for message in await self._messages(claimed):
            if self._leaving:
                return
            self._under_way.update(delivery.seq for delivery in message)
            group.start_soon(self._attempt, message)
        self._sharing.tell(self.receiver, self._attempts_at_most)

    async def _messages(self, claimed: Sequence[Delivery]) -> list[Sequence[Delivery]]:
        """What goes out together: everything that has gathered, if it is a burst; else each by itself."""
        if claimed and self._terms.digest:
            gathered = await self._outbox.digest_candidates(self.receiver, self._now(), self._terms.hold, self._under_way)
            if len(gathered) > self._terms.digest:
                return [gathered]
        return [[delivery] for delivery in claimed]

    async def _attempt(self, message: Sequence[Delivery]) -> None:
        if any(
            attempt.outcome.pause_seconds for attempt, *_ in self._ended
        ):  # since it was claimed: it will wait like all others
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
            jitter = self._jitter()  # one for all: what went out together is due again together
            self._ended.append([settle(each, outcome, self._terms.retry, (began_at, ended_at), jitter) for each in message])
        self._wakeups.wake_deliverers([self.receiver])

    async def _settle_ended(self) -> None:
        """Settle what has ended, and what ends meanwhile: while one group is committed the next one gathers."""
        while self._ended or self._circuit is None:
            async with self._settling:
                if self._circuit is None:
                    self._circuit = await self._outbox.circuit(self.receiver)
                if self._ended:
                    await self._settle_group()
        failure, self._failure = self._failure, None
        if failure:
            raise failure

    async def _settle_group(self) -> None:
        messages, self._ended = self._ended, []
        group = [settlement for message in messages for settlement in message]
        before = circuit = self._known_circuit
        window = self._window
        for attempt, *_ in messages:
            if attempt.delivery.seq in self._before_command and not attempt.outcome.delivered:
                continue
            circuit = circuit.after(attempt.outcome, attempt.ended_at, self._terms.retry[0], self._jitter())
            window = window.after(attempt)
        try:
            applied = await self._outbox.settle(self.receiver, group, circuit, self._turning_points(before, circuit))
        except BaseException:
            self._ended = messages + self._ended
            self._circuit = None  # whether it was committed is for the file to say
            raise
        self._circuit, self._window = circuit, window
        settled = frozenset(settlement.delivery.seq for settlement in group)
        self._under_way -= settled
        self._before_command -= settled
        self._heartbeat.beat()
        for settlement in group:
            stands = settlement.outcome.delivered or settlement.delivery.seq in applied
            self._say(settlement if stands else _replayed(settlement))

    def _turning_points(self, before: Circuit, after: Circuit) -> list[Event]:
        if before.is_open == after.is_open:
            return []
        type_, of = ("receiver.failing", after) if after.is_open else ("receiver.recovered", before)
        since = iso(of.since if of.since is not None else self._now())
        data = {"receiver": self.receiver, "reason": of.reason, "detail": of.detail, "since": since}
        (self._log.warning if after.is_open else self._log.info)(type_, reason=of.reason, detail=of.detail)
        return [plain_event(type_, "", data, self._now())]

    def _say(self, settlement: Settlement) -> None:
        self._told(settlement)
        delivery, outcome = settlement.delivery, settlement.outcome
        about = {**stream_labels(delivery.stream), "seq": delivery.seq, "event_id": delivery.event_id, "type": delivery.type}
        about["attempt"] = delivery.attempts + 1
        if outcome.delivered:
            self._log.debug("delivered", **about)
            return
        about |= {"reason": outcome.result.value, "detail": outcome.detail}
        if settlement.state == "dead":
            self._log.error("delivery.dead", **about, all=f"batch-tracker deliveries --state dead --receiver {self.receiver}")
        else:
            self._log.warning("delivery.failed", **about, again_at=iso(settlement.due_at))

    async def _seconds_to_next(self, looked_at: int) -> float:
        """Until something is due that was not when it was last looked: that may be by now."""
        if self._attempts_at_most >= self._window.limit:  # an attempt that ends makes room, and wakes
            return LONGEST_SLEEP
        due = await self._outbox.next_due(self.receiver, looked_at, self._terms.hold)
        moments = [at for at in (due, self._known_circuit.quiet_until) if at is not None and at > looked_at]
        return min(max(min(moments) - self._now(), 0) / 1000 if moments else LONGEST_SLEEP, LONGEST_SLEEP)

    @property
    def _attempts_at_most(self) -> int:
        """A message may be of any number of deliveries, but no more are sent side by side."""
        return min(len(self._under_way), MAX_CONCURRENCY)

    @property
    def _known_circuit(self) -> Circuit:
        return self._circuit or Circuit()


def _replayed(settlement: Settlement) -> Settlement:
    """How it stands where a command has made the delivery pending again while it was under way: due at once."""
    return msgspec.structs.replace(settlement, state="pending", due_at=settlement.ended_at)
