"""Owns the Delivery: one event on its way to one receiver, the outcome of an attempt, and what follows from it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal, NamedTuple

import msgspec

from tracker.core.deliveries.retry_schedule import jittered

State = Literal["pending", "delivered", "dead", "superseded", "silenced"]


class Result(StrEnum):
    """The result of an attempt; the values are metric labels."""

    DELIVERED = "delivered"
    GONE = "gone"  # 410, or the wish to be disabled: the receiver does not want any further delivery
    RATE_LIMITED = "rate_limited"  # 429
    REFUSED = "refused"  # another 4xx, or an error in an answer that says that the request is wrong
    REDIRECTED = "redirected"  # 3xx, which is not followed
    SERVER = "server"  # 5xx
    NETWORK = "network"  # refused, reset, cut short, too slow


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one attempt. `answer` is the first kB of a bad answer; `retry_after` (seconds) is what it asked for.

    `aborts`: a failed attempt is to be the last of its delivery. `disables`: the receiver wants no further delivery, whether or
    not it took this one.
    """

    result: Result
    detail: str = ""
    status: int | None = None
    answer: str = ""
    retry_after: float | None = None
    aborts: bool = False
    disables: bool = False

    @property
    def delivered(self) -> bool:
        return self.result is Result.DELIVERED

    @property
    def wants_no_more(self) -> bool:
        """Whether the receiver wants no further delivery: by 410, or because it wishes that."""
        return self.disables or self.result is Result.GONE

    @property
    def overloaded(self) -> bool:
        """Whether the receiver, or a proxy before it, is overloaded: 429, 502, 503, 504."""
        return self.result is Result.RATE_LIMITED or self.status in (502, 503, 504)

    @property
    def pause_seconds(self) -> float:
        """Seconds without any attempt that the receiver asks for: Retry-After of a 429, or of a 503 (RFC 9110 10.2.3)."""
        concerns_all = self.result is Result.RATE_LIMITED or self.status == 503
        return (self.retry_after or 0.0) if concerns_all else 0.0


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one receiver. `attempts` is how many have failed; `body` is the event's JSON, the same on every attempt.

    `replays` is how often a replay had made the delivery pending again when it was claimed.
    """

    receiver: str
    seq: int
    event_id: str
    type: str
    stream: str
    attempts: int
    body: str
    replays: int = 0


class NewDelivery(NamedTuple):
    """A delivery that was just committed, and when it is due (Unix milliseconds)."""

    delivery: Delivery
    due_at: int


class DeliveryPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """How deliveries to a receiver are retried, held and gathered. `retry` and `hold` are seconds.

    `retry` is the wait before each further attempt. A delivery that is being retried holds back the later ones of its stream
    for `hold`. If more than `digest` deliveries have gathered, they go out as one message; 0 means never.
    """

    retry: tuple[float, ...]
    hold: float
    digest: int = 0


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that has ended, and the state of its delivery after it. Times are Unix milliseconds."""

    delivery: Delivery
    outcome: Outcome
    began_at: int
    ended_at: int
    state: State
    due_at: int


def settle(delivery: Delivery, outcome: Outcome, schedule: Sequence[float], span: tuple[int, int], jitter: float) -> Settlement:
    """How `delivery` stands after an attempt: delivered, dead if `schedule` (seconds) is used up, else due again.

    `span` is when the attempt began and ended (ms). `jitter` (0 to 1) varies each wait by a tenth, and no wait is
    shorter than what the receiver asked for. A delivery that the receiver aborts is dead at once. If the receiver is gone, the
    delivery stays pending: a replay may enable the receiver again.
    """
    began_at, ended_at = span
    state: State = "pending"
    wait = 0.0
    if outcome.delivered:
        state = "delivered"
    elif outcome.aborts:
        state = "dead"
    elif outcome.result is not Result.GONE:
        if delivery.attempts >= len(schedule):
            state = "dead"
        else:
            wait = max(jittered(schedule[delivery.attempts], jitter), outcome.retry_after or 0.0)
    return Settlement(
        delivery=delivery,
        outcome=outcome,
        began_at=began_at,
        ended_at=ended_at,
        state=state,
        due_at=ended_at + round(wait * 1000),
    )
