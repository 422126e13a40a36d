"""Owns when the deliveries that wait for a failing receiver will be dead, and the events that report how it does.

A receiver is reported at the latest when half of the time has passed from its first failure to its first dead delivery.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Settlement
from tracker.core.events.event import Event, iso, plain_event

FAILING = "receiver.failing"
RECOVERED = "receiver.recovered"


class Waiting(NamedTuple):
    """Pending deliveries of a receiver of which as many attempts have failed: how many, and when the first of them is due."""

    attempts: int
    due_at: int
    deliveries: int


def dead_at(attempts: int, due_at: int, schedule: Sequence[float]) -> int:
    """When a delivery will be dead (Unix milliseconds) that is due then, if every attempt fails at once.

    `attempts` have failed so far. `schedule` is the waits in seconds; each varies by a tenth, and a probe may come later.
    """
    return due_at + round(sum(schedule[attempts:]) * 1000)


def first_dead_at(waiting: Iterable[Waiting], schedule: Sequence[float], *, failed_only: bool = False) -> int | None:
    """When the first of these deliveries will be dead; with `failed_only`, of those that have failed."""
    return min(
        (dead_at(each.attempts, each.due_at, schedule) for each in waiting if each.attempts or not failed_only), default=None
    )


def earliest_end(settlements: Iterable[Settlement], schedule: Sequence[float], before: int | None) -> int | None:
    """When the first delivery will be dead: `before`, or one of those that have just failed and are pending."""
    ends = [
        dead_at(each.delivery.attempts + 1, each.due_at, schedule)
        for each in settlements
        if each.state == "pending" and not each.outcome.delivered
    ]
    return min([*ends, *([] if before is None else [before])], default=None)


def warning_due_at(circuit: Circuit, first_dead: int | None) -> int | None:
    """When a receiver that fails and whose circuit is closed is to be reported; None if it has no failing delivery."""
    if circuit.is_open or circuit.since is None or first_dead is None:
        return None
    return (min(circuit.since, first_dead) + first_dead) // 2  # `since` is later if the clock was set back


def circuit_events(
    receiver: str, before: Circuit, after: Circuit, waiting: Sequence[Waiting], schedule: Sequence[float], now: int
) -> list[Event]:
    """The event of a circuit that opens or closes; `waiting` is what is pending then."""
    if before.is_open == after.is_open:
        return []
    if after.is_open:
        return [failing_event(receiver, after, waiting, schedule, now)]
    return [plain_event(RECOVERED, "", _report(receiver, before, now), now)]


def failing_event(receiver: str, circuit: Circuit, waiting: Sequence[Waiting], schedule: Sequence[float], now: int) -> Event:
    """The event that the receiver fails, with how many deliveries wait for it, and when the first of them will be dead."""
    first = None if circuit.disabled else first_dead_at(_not_before(waiting, max(circuit.quiet_until, now)), schedule)
    data: dict[str, str | int] = {**_report(receiver, circuit, now), "waiting": sum(each.deliveries for each in waiting)}
    if first is not None:
        data["dead_at"] = iso(first)
    return plain_event(FAILING, "", data, now)


def _not_before(waiting: Iterable[Waiting], at: int) -> list[Waiting]:
    return [each._replace(due_at=max(each.due_at, at)) for each in waiting]


def _report(receiver: str, circuit: Circuit, now: int) -> dict[str, str]:
    since = iso(now if circuit.since is None else circuit.since)
    return {"receiver": receiver, "reason": circuit.reason, "detail": circuit.detail, "since": since}
