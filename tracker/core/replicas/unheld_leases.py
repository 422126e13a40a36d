"""Owns the question which of a configuration's accounts and receivers no replica works on."""

from collections.abc import Iterable, Mapping, Sequence, Sized
from itertools import groupby
from operator import attrgetter
from typing import Any, Final

from tracker.core.replicas.lease import MAINTENANCE_LEASE, LeaseKey, LeaseKind, account_lease, receiver_lease

_MOST_NAMES: Final = 3

_ONE: Final = {
    LeaseKind.ACCOUNT: "no replica works on account {}: its jobs are not watched",
    LeaseKind.RECEIVER: "no replica works on receiver {}: it gets no events",
    LeaseKind.MAINTENANCE: "no replica maintains the {}: nothing old is removed from it",
}
_SEVERAL: Final = {
    LeaseKind.ACCOUNT: "no replica works on {} accounts ({}): their jobs are not watched",
    LeaseKind.RECEIVER: "no replica works on {} receivers ({}): they get no events",
}


def find_unheld(leases: Iterable[Mapping[str, Any]], accounts: Iterable[str], receivers: Iterable[str]) -> list[LeaseKey]:
    """The leases that these accounts and receivers need and that no live replica holds, and that of the maintenance.

    `leases` are what `Reader.leases` gives. The result is sorted by kind.
    """
    held = {(lease["kind"], lease["name"]) for lease in leases if lease["holder"] is not None}
    wanted = [MAINTENANCE_LEASE, *map(account_lease, accounts), *map(receiver_lease, receivers)]
    return [key for key in wanted if key not in held]


def are_enough_held(replicas: Iterable[Mapping[str, Any]], accounts: Sized, receivers: Sized) -> bool:
    """Whether the live replicas work on as many accounts and receivers as these, by what `Reader.replicas` gives.

    Then `find_unheld` has nothing to find, as far as all replicas have one configuration. Thousands of leases need not be read.
    """
    live = [replica for replica in replicas if replica["live"]]
    held = sum(replica["accounts"] for replica in live), sum(replica["receivers"] for replica in live)
    return bool(live) and held[0] >= len(accounts) and held[1] >= len(receivers)


def unheld_sentences(unheld: Iterable[LeaseKey]) -> list[str]:
    """What it means that no replica holds these leases: a sentence for each kind, without capital letter and full stop."""
    return [_sentence(kind, [key.name for key in keys]) for kind, keys in groupby(unheld, attrgetter("kind"))]


def _sentence(kind: LeaseKind, names: Sequence[str]) -> str:
    if len(names) == 1:
        return _ONE[kind].format(names[0])
    shown = ", ".join(names[:_MOST_NAMES])
    return _SEVERAL[kind].format(f"{len(names):,}", f"{shown}, …" if len(names) > _MOST_NAMES else shown)
