"""Owns the `traceparent` of the requests of an attempt: the same in all of them, whichever notifier makes them.

Notifiers that send by another library than the package http have none.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextvars import ContextVar
from typing import Final

from tracker.core.deliveries.delivery import Delivery, Outcome
from tracker.core.deliveries.trace_context import traceparent
from tracker.core.ports.notifier import IsSampled, Notifier
from tracker.http.client import Identity

_CURRENT: Final = ContextVar("traceparent", default="")
"""Of the attempt that the task makes: attempts to one receiver are made side by side, each in a task of its own."""


class TracedIdentity:
    """An `Identity` whose requests name the trace of the attempt for which they are made."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    def headers(self) -> Mapping[str, str]:
        trace = _CURRENT.get()
        return {**self._identity.headers(), "traceparent": trace} if trace else self._identity.headers()

    def secrets(self) -> Iterable[str]:
        return self._identity.secrets()


class TracedNotifier:
    """Delegates to a `Notifier`, whose requests name the trace of the last of the deliveries that it sends."""

    def __init__(self, notifier: Notifier, is_sampled: IsSampled) -> None:
        self._notifier = notifier
        self._is_sampled = is_sampled

    async def send(self, deliveries: Sequence[Delivery]) -> Outcome:
        latest = deliveries[-1]
        _CURRENT.set(traceparent(latest, sampled=self._is_sampled(latest)))
        return await self._notifier.send(deliveries)
