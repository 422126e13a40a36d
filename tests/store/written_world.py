"""A log with some of everything, to read pages of."""

import random

from job_changes import CHECKPOINT, SINCE, gone, moved, seen

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Outcome, Result, settle
from tracker.core.deliveries.fan_out import Subscription

STATUSES = ("QUEUED", "RUNNING", "SUCCESS", "FAILED", "UNHEARD_OF")
MODELS = ("mistral-small-2506", "mistral-large-2411", "a[b]c", None)


async def written_world(engine):
    """`engine` with sixty jobs of three accounts, many created in the same second, each with a life, and two receivers.

    The jobs of account "c" are OpenAI's.
    """
    rng = random.Random(5)
    subscriptions = [Subscription(receiver=name, events=("*",)) for name in ("one", "two")]
    async with engine.store(subscriptions) as store:
        for number in range(60):
            account = rng.choice("abc")
            change = seen(
                f"job-{number % 40:02}",
                account=account,
                now=SINCE + number * 1000,
                created_at=SINCE // 1000 + rng.randrange(8),
                model=rng.choice(MODELS),
                extra={"provider": "openai"} if account == "c" else {},
                endpoint=rng.choice(("/v1/ocr", "/v1/chat/completions")),
            )
            await store.record(account, [change])
            for step in range(rng.randrange(4)):
                status, ended_at = rng.choice(STATUSES), rng.choice((None, SINCE // 1000 + rng.randrange(30, 36)))
                counted = {"total_requests": step + 1, "completed_at": ended_at}
                later = moved(change, now=SINCE + number * 1000 + step, status=status, **counted)
                if later is not None and later.events:
                    change = later
                    await store.record(account, [change])
            if number % 20 == 0:
                await store.record(account, [gone(change)])
        claimed = await store.outbox.claim("one", SINCE * 2, 900.0, 20, ())
        failed = Outcome(result=Result.REFUSED, status=400, detail="no")
        await store.outbox.settle("one", [settle(each, failed, (), (SINCE, SINCE), 0.5) for each in claimed], Circuit())
    return engine


async def write_two_accounts(store):
    """Two accounts with three jobs each, of the same ids, one of which has moved."""
    for account in ("one", "two"):
        await store.checkpoint(account, CHECKPOINT)
        changes = [seen(f"job-{number}", account=account, status="RUNNING") for number in range(3)]
        await store.record(account, changes)
        await store.record(account, [moved(changes[2], completed_requests=1)])
