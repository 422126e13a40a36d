"""Owns the Delivery: one event on its way to one receiver, what an attempt came to, and what follows from it."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Literal

import msgspec

from tracker.core.deliveries.retry_schedule import spread

State = Literal["pending", "delivered", "dead", "superseded"]


class Result(StrEnum):
    """What an attempt came to; the values are metric labels."""

    DELIVERED = "delivered"
    GONE = "gone"  # 410: the receiver wants no more, ever
    RATE_LIMITED = "rate_limited"  # 429
    REFUSED = "refused"  # another 4xx, or what Slack calls an error of ours
    REDIRECTED = "redirected"  # 3xx, which is not followed
    SERVER = "server"  # 5xx
    NETWORK = "network"  # refused, reset, cut short, too slow


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one attempt came to. `answer` is the first kB of a bad answer; `retry_after` (seconds) what it asked for."""

    result: Result
    detail: str = ""
    status: int | None = None
    answer: str = ""
    retry_after: float | None = None

    @property
    def delivered(self) -> bool:
        return self.result is Result.DELIVERED

    @property
    def overloaded(self) -> bool:
        """Whether the receiver, or what stands before it, has more to do than it can: 429, 502, 503, 504."""
        return self.result is Result.RATE_LIMITED or self.status in (502, 503, 504)

    @property
    def peace(self) -> float:
        """Seconds for which the receiver wants nothing at all: what a 429, or a 503 (RFC 9110 10.2.3), asked for."""
        concerns_all = self.result is Result.RATE_LIMITED or self.status == 503
        return (self.retry_after or 0.0) if concerns_all else 0.0


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one receiver. `attempts` have failed so far; `body` is the event's JSON, the same on every attempt.

    `replays` is how often a command had made the delivery pending again when it was claimed.
    """

    receiver: str
    seq: int
    event_id: str
    type: str
    stream: str
    attempts: int
    body: str
    replays: int = 0


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What was agreed with a receiver; all in seconds but `digest`.

    `retry` is the wait before each further attempt. A delivery that is being retried holds back the later ones of its stream
    for `hold`. Where more than `digest` deliveries have gathered they go out as one message; 0 stands for never.
    """

    retry: tuple[float, ...]
    hold: float
    digest: int = 0


class Settlement(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that is over, and how its delivery stands now. Times are Unix milliseconds."""

    delivery: Delivery
    outcome: Outcome
    began_at: int
    ended_at: int
    state: State
    due_at: int


def settle(delivery: Delivery, outcome: Outcome, schedule: Sequence[float], span: tuple[int, int], jitter: float) -> Settlement:
    """How `delivery` stands after an attempt: delivered, dead once `schedule` (seconds) is exhausted, else due again.

    `span` is when the attempt began and ended (Unix milliseconds).

    Each wait is spread a tenth by `jitter` (0 to 1), and is never shorter than what the receiver asked for. A receiver that is
    gone takes nothing: its deliveries stay as they are, in case somebody enables it again.
    """
    began_at, ended_at = span
    state: State = "pending"
    wait = 0.0
    if outcome.delivered:
        state = "delivered"
    elif outcome.result is not Result.GONE:
        if delivery.attempts >= len(schedule):
            state = "dead"
        else:
            wait = max(spread(schedule[delivery.attempts], jitter), outcome.retry_after or 0.0)
    return Settlement(
        delivery=delivery,
        outcome=outcome,
        began_at=began_at,
        ended_at=ended_at,
        state=state,
        due_at=ended_at + round(wait * 1000),
    )
