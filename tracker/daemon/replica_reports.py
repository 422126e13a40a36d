"""The reports of replicas on accounts: what the holder of each says is shown by all, and counted for the metrics."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Final

import msgspec

from tracker.core.errors.storage_error import StorageError
from tracker.core.health.readiness import AccountHealth, Health, HeldElsewhere
from tracker.core.ports.leases import Leases
from tracker.core.ports.reader import Reader
from tracker.core.replicas.lease import LeaseKind, account_lease
from tracker.metrics.replicas import ReplicaMetrics

MOST_REPORTED: Final = 20
"""Unreadable parts of an account that a report names."""


class ReplicaReports:
    """Exchanges the health of accounts with the other replicas."""

    def __init__(
        self,
        leases: Leases,
        reader: Callable[[], AbstractAsyncContextManager[Reader]],
        health: Health,
        metrics: ReplicaMetrics,
    ) -> None:
        self._leases = leases
        self._reader = reader
        self._health = health
        self._metrics = metrics

    async def exchange_once(self) -> None:
        """Report on the own accounts, and read what is said of the others; nothing changes where the store cannot be read."""
        for name, state in self._health.accounts.items():
            self._leases.report(account_lease(name), encode_report(state))
        with suppress(StorageError):
            async with self._reader() as reader:
                replicas, leases = await reader.replicas(), await reader.leases()
            elsewhere = {
                row["name"]: HeldElsewhere(row["holder"], decode_report(row["report"]))
                for row in leases
                if row["kind"] == LeaseKind.ACCOUNT and row["name"] not in self._health.accounts
            }
            self._health.seen_elsewhere(elsewhere)
            unheld = Counter(row["kind"] for row in leases if row["holder"] is None)
            self._metrics.seen(sum(replica["live"] for replica in replicas), unheld)


def encode_report(state: AccountHealth) -> str:
    shown = msgspec.structs.replace(state, unreadable=state.unreadable[:MOST_REPORTED])
    return msgspec.json.encode(shown).decode()


def decode_report(report: Mapping[str, Any] | None) -> AccountHealth:
    """The state that the holder reported; unknown where it has not yet, or is of a version whose reports have another shape."""
    with suppress(msgspec.ValidationError):
        return msgspec.convert(report or {}, AccountHealth)
    return AccountHealth()
