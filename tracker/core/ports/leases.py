"""Owns the Protocol of the leases: which accounts, receivers and tasks of the log this process works on."""

from collections.abc import Iterable
from typing import Protocol

from tracker.core.ports.wakeups import Signal
from tracker.core.replicas.lease import LeaseKey


class Leases(Protocol):
    """What this process works on. At any time a lease is held by at most one process that uses the database.

    A lease is `assigned`, then perhaps `releasing`, and then given back. One that could not be renewed in time is lost: it
    is in neither set and no longer valid, and whatever works under it must stop at once.
    """

    def request(self, wanted: Iterable[LeaseKey]) -> None:
        """Replace what this process may be assigned, which is what its configuration has.

        What is no longer wanted becomes `releasing`.
        """

    def assigned(self) -> frozenset[LeaseKey]:
        """The leases whose workers run here now."""

    def releasing(self) -> frozenset[LeaseKey]:
        """The leases whose workers must stop: no longer assigned, but held until `release` is called for each of them."""

    def is_valid(self, key: LeaseKey) -> bool:
        """Whether the lease is held at this moment, by a clock that also counts while the machine sleeps.

        It is cheap and is asked before each request to an API and each send to a receiver.
        """

    def changed(self) -> Signal:
        """Set by the next change of `assigned` or `releasing`. Take the signal before you read them."""

    async def release(self, key: LeaseKey) -> None:
        """Give back a lease that is `releasing`: its worker has stopped. Does nothing to any other lease.

        It never raises `StorageError`: a lease that cannot be given back expires.
        """

    def report(self, key: LeaseKey, report: str) -> None:
        """Show the JSON text `report` to the other replicas, with the lease. It is written with the next renewal."""
