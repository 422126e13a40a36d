"""Owns the webhooks that a simulated API sends when its jobs end: when, to which URL, signed by Standard Webhooks.

As vendors do, it sends a message again that was not answered with 2xx, in no order, and knows of nothing but ends.
"""

from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Final, NamedTuple, Protocol
from uuid import NAMESPACE_OID, uuid5

import anyio
import msgspec

from tracker.core.deliveries.signing import SHARED, SigningKey, parse_secret, signature_headers
from tracker.http.client import Answer, HttpClient, Request
from tracker.runtime.task_groups import task_group
from tracker.simulator.job_timeline import JobPlan, exists
from tracker.simulator.workspace import Workspace

EARLY: Final = 3.0
"""Seconds before its end at which the webhook of a job is sent with the fault `webhook-early`."""

LOOK: Final = 0.1
"""Seconds between two looks at which jobs have ended."""

RETRIES: Final = (1.0, 5.0, 30.0)
"""Seconds after a failed attempt."""

FORGED: Final = SHARED + b64encode(b"another secret, of 32 characters").decode()
"""The secret that signs a webhook with the fault `webhook-forged`."""


class Sender(Protocol):
    """A vendor's simulated API: what it says of the end of a job, and where it sends that."""

    workspace: Workspace
    clock: Callable[[], float]

    def webhook(self, plan: JobPlan) -> dict[str, Any] | None:
        """The message of the job's end; None where the vendor sends none."""


class Subscription(NamedTuple):
    """Where webhooks go, and the secret that signs them."""

    url: str
    secret: str


class Webhooks:
    """Sends the webhooks of the jobs that end from now on. `results` counts what became of them."""

    def __init__(self, api: Sender, to: Subscription, http: HttpClient, report: Callable[[str], None]) -> None:
        """`report` is called with a line about a message that was not accepted."""
        self._api = api
        self._to = to
        self._http = http
        self._report = report
        self._began = api.clock()
        self._seen = 0  # plans
        self._open: dict[str, None] = {}
        self.results: Counter[str] = Counter()

    async def run(self) -> None:
        """Send until it is cancelled."""
        async with task_group() as group:
            while True:
                for plan in list(self._ended(self._api.clock())):
                    for _ in range(_copies(plan)):
                        group.start_soon(self._send, plan)
                await anyio.sleep(LOOK)

    def _ended(self, at: float) -> Iterator[JobPlan]:
        """The jobs whose webhooks are due and were not sent."""
        plans = self._api.workspace.plans_at(at)
        self._open |= dict.fromkeys(id_ for id_ in islice(plans, self._seen, None) if plans[id_].ended > self._began)
        self._seen = len(plans)
        for id_ in [id_ for id_ in self._open if plans[id_].ended - _early(plans[id_]) <= at]:
            del self._open[id_]
            if exists(plans[id_], at):
                yield plans[id_]

    async def _send(self, plan: JobPlan) -> None:
        if (message := self._api.webhook(plan)) is None:
            return
        problem: str | None = None
        for pause in (0.0, *RETRIES):
            await anyio.sleep(pause)
            if (problem := await self._attempt(plan, message)) is None:
                break
        self.results["refused" if problem else "accepted"] += 1
        if problem:
            self._report(f"webhook {message['type']} of {plan.id}: {problem}")

    async def _attempt(self, plan: JobPlan, message: dict[str, Any]) -> str | None:
        """Why it was not accepted; None if it was."""
        headers = signature_headers(
            [self._key(plan)], _message_id(plan), int(self._api.clock()), body := msgspec.json.encode(message)
        )
        headers |= {"content-type": "application/json"}
        answer = await self._http.send(Request(method="POST", url=self._to.url, headers=headers, content=body))
        if not isinstance(answer, Answer):
            return answer.detail
        return None if 200 <= answer.status < 300 else f"HTTP {answer.status}"

    def _key(self, plan: JobPlan) -> SigningKey:
        return parse_secret(FORGED if "webhook-forged" in plan.quirks else self._to.secret)


def _early(plan: JobPlan) -> float:
    return EARLY if "webhook-early" in plan.quirks else 0.0


def _copies(plan: JobPlan) -> int:
    return 0 if "webhook-lost" in plan.quirks else 2 if "webhook-twice" in plan.quirks else 1


def _message_id(plan: JobPlan) -> str:
    return f"wh_{uuid5(NAMESPACE_OID, f'webhook of {plan.id}').hex}"
