"""Owns the leases of a process that has its database to itself: it is assigned all that it requests."""

from collections.abc import Iterable

import anyio

from tracker.core.replicas.lease import LeaseKey

_NOTHING: frozenset[LeaseKey] = frozenset()


class SoleLeases:
    """The `Leases` of core.ports where no other process works on the same database."""

    def __init__(self) -> None:
        self._wanted = _NOTHING
        self._assigned = _NOTHING
        self._releasing = _NOTHING
        self._changed = anyio.Event()

    def request(self, wanted: Iterable[LeaseKey]) -> None:
        self._wanted = frozenset(wanted)
        self._set(self._wanted - self._releasing, self._releasing | (self._assigned - self._wanted))

    def assigned(self) -> frozenset[LeaseKey]:
        return self._assigned

    def releasing(self) -> frozenset[LeaseKey]:
        return self._releasing

    def is_valid(self, key: LeaseKey) -> bool:  # noqa: ARG002 - no other process could have it
        return True

    def changed(self) -> anyio.Event:
        return self._changed

    async def release(self, key: LeaseKey) -> None:
        released = self._releasing & {key}
        self._set(self._assigned | (released & self._wanted), self._releasing - released)

    def report(self, key: LeaseKey, report: str) -> None:
        """Nothing: there is no other replica to show it to."""

    def _set(self, assigned: frozenset[LeaseKey], releasing: frozenset[LeaseKey]) -> None:
        if (assigned, releasing) != (self._assigned, self._releasing):
            self._assigned, self._releasing = assigned, releasing
            self._changed.set()
            self._changed = anyio.Event()
