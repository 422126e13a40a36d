"""Owns the demo's receivers: one that verifies each webhook, and one that fails for a while."""

import json
from collections import Counter, deque
from collections.abc import Callable
from hmac import compare_digest

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from tracker.core.deliveries.signing import SigningKey, signature_headers
from tracker.core.jobs.short_id import short_id


class DemoReceiver:
    """An ASGI application that receives webhooks. Before `healthy_from` (Unix seconds) it answers 503."""

    def __init__(self, name: str, key: SigningKey, clock: Callable[[], float], healthy_from: float = 0.0) -> None:
        self.name = name
        self.events: Counter[str] = Counter()
        self.refused = 0
        self.arrived: deque[str] = deque(maxlen=100)  # not shown by the view yet
        self._last = ""
        self._seen: set[str] = set()
        self._key = key
        self._clock = clock
        self._healthy_from = healthy_from

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        await Response(status_code=self._receive(request, await request.body()))(scope, receive, send)

    def _receive(self, request: Request, body: bytes) -> int:
        if self._clock() < self._healthy_from:
            self.refused += 1
            return 503
        if not self._is_genuine(request, body):
            return 400
        event = json.loads(body)
        if event["id"] not in self._seen:  # an event may come twice
            self._seen.add(event["id"])
            self.events[event["type"]] += 1
            about = event["data"].get("id", event["data"].get("receiver", ""))
            self._last = f"{event['type']} {short_id(about)}"
            self.arrived.append(self._last)
        return 204

    def _is_genuine(self, request: Request, body: bytes) -> bool:
        """Sign the body again and compare; your own receiver can use a library for Standard Webhooks instead."""
        sent = request.headers
        at = sent.get("webhook-timestamp", "0")
        if not at.isdigit() or abs(int(at) - self._clock()) > 300:
            return False
        expected = signature_headers([self._key], sent.get("webhook-id", ""), int(at), body)["webhook-signature"]
        return compare_digest(sent.get("webhook-signature", ""), expected)

    def summary(self) -> str:
        """The state of the receiver, in one line."""
        received = self.events.total()
        if not received:
            return f"answers 503 for a while: {self.refused} attempts" if self.refused else "waiting"
        recovered = f" (after {self.refused} attempts that failed)" if self.refused else ""
        return f"{received} webhooks, signatures verified{recovered}: {self._last}"
