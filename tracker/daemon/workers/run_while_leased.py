"""The guard of a worker's lease: without it nothing is requested or sent, and work that was refused starts again."""

from collections.abc import Awaitable, Callable
from typing import Final

import anyio
import structlog

from tracker.core.errors.lease_lost_error import LeaseLostError
from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.leases import Leases
from tracker.core.replicas.lease import LeaseKey

RESTART_AFTER: Final = 1.0
"""Seconds; a worker whose lease is lost for good is cancelled long before."""


class LeaseGuard:
    """The guard of one lease."""

    def __init__(self, leases: Leases, key: LeaseKey) -> None:
        self._leases = leases
        self._key = key

    def check(self) -> None:
        """Raise `LeaseLostError` unless the lease is held at this moment."""
        if not self._leases.is_valid(self._key):
            raise LeaseLostError(f"the lease of {self._key.kind.value} {self._key.name} is not held")

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` until it ends other than by a `LeaseLostError`.

        The supervisor cancels a worker that has lost its lease. Where the lease was refused and is held nevertheless, the work
        starts again, and knows nothing of before.
        """
        while await self._is_refused(work):  # noqa: ASYNC110 - the lease has no event of its own
            await anyio.sleep(RESTART_AFTER)

    async def _is_refused(self, work: Callable[[], Awaitable[None]]) -> bool:
        try:
            await work()
        except LeaseLostError as error:
            self._log_refused(error)
            return True
        except ExceptionGroup as errors:
            if not _is_loss(errors):
                raise
            self._log_refused(errors)
            return True
        return False

    def _log_refused(self, error: Exception) -> None:
        structlog.get_logger().debug("lease.refused", kind=self._key.kind.value, name=self._key.name, error=str(error))


def _is_loss(errors: ExceptionGroup) -> bool:
    """Whether a lease was lost, and nothing else happened but that the database failed too."""
    _, others = errors.split(StorageError)
    return others is None and errors.subgroup(LeaseLostError) is not None
