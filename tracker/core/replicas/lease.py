"""Owns what a lease is for: a process that holds it is the only one that works on that account, receiver or task."""

from enum import StrEnum
from typing import Final, NamedTuple


class LeaseKind(StrEnum):
    """What a lease is for."""

    ACCOUNT = "account"
    RECEIVER = "receiver"
    MAINTENANCE = "maintenance"


class LeaseKey(NamedTuple):
    """What one lease is for: its kind, and the name of the account or receiver."""

    kind: LeaseKind
    name: str


MAINTENANCE_LEASE: Final = LeaseKey(LeaseKind.MAINTENANCE, "log")
"""The lease of what is done once for the whole log: pruning, retention, counting orphans."""


def account_lease(account: str) -> LeaseKey:
    """The lease of polling an account, and of archiving its results."""
    return LeaseKey(LeaseKind.ACCOUNT, account)


def receiver_lease(receiver: str) -> LeaseKey:
    """The lease of sending to a receiver."""
    return LeaseKey(LeaseKind.RECEIVER, receiver)
