"""Deliveries of a store with receivers: claiming, attempting and reading them."""

import msgspec
from job_changes import SINCE
from tables import fetch

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Outcome, Result, settle
from tracker.core.deliveries.fan_out import Subscription

EVERYTHING = Subscription(receiver="pipeline", events=("*",))
OTHER = Subscription(receiver="other", events=("batch.completed",))
FOREVER = float("inf")
DELIVERED = Result.DELIVERED
FAILED = Result.SERVER


async def claimed(store, *, now=SINCE + 1_000_000, hold=900.0, limit=100, under_way=(), receiver="pipeline"):
    return await store.outbox.claim(receiver, now, hold, limit, under_way)


async def next_due(store, now, hold, *, receiver="pipeline"):
    """When something becomes due of what is not under way, which is all of it."""
    return (await store.outbox.rest(receiver, now, hold, ())).next_due


async def seqs(store, **how):
    """The seqs of what is claimed, in its order."""
    return [delivery.seq for delivery in await claimed(store, **how)]


def attempted(delivery, result, at, *, began_at=None, wait=60.0, attempts=9, **outcome):
    """What follows from an attempt that took no time, unless it `began_at` another, of which there may be `attempts` more."""
    span = at if began_at is None else began_at, at
    return settle(delivery, Outcome(result=result, **outcome), (wait,) * attempts, span, 0.5)


async def attempt(store, seq, result, *, at=SINCE + 10, circuit=None, events=(), **how):
    """Claim the delivery of `seq` and settle it."""
    (delivery,) = [each for each in await claimed(store, now=at, hold=FOREVER) if each.seq == seq]
    settlement = attempted(delivery, result, at, **how)
    await store.outbox.settle("pipeline", [settlement], circuit or Circuit(), lambda _waiting: events)
    return settlement


async def rows(store, columns="seq, state, attempts", receiver="pipeline"):
    sql = f"SELECT {columns} FROM deliveries WHERE receiver = ? ORDER BY seq"  # noqa: S608 - of constants
    return await fetch(store, sql, receiver)


async def states(store):
    return [state for (state,) in await rows(store, "state")]


async def attempts_of(store):
    return await fetch(store, "SELECT seq, number, result FROM attempts ORDER BY seq, number")


def failing(failures):
    """A circuit that has seen this number of `failures` in a row."""
    return msgspec.structs.replace(Circuit(), failures=failures, since=SINCE, reason="server", detail="HTTP 500")
