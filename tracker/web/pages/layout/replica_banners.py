"""Owns what every page says of the replicas: whether there are any, and a banner for what none of them works on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from tracker.core.ports.reader import Reader
from tracker.core.replicas.lease import LeaseKey
from tracker.core.replicas.unheld_leases import are_enough_held, unheld_sentences
from tracker.web.api.replicas import unheld_of
from tracker.web.daemon_interface import Daemon
from tracker.web.pages.rendering.status_labels import StatusLabel


class Cluster(NamedTuple):
    """The replicas and leases that `Reader` gives, and what no live replica works on; all empty without replicas."""

    replicas: Sequence[Mapping[str, Any]] = ()
    leases: Sequence[Mapping[str, Any]] = ()
    unheld: Sequence[LeaseKey] = ()

    def labels(self) -> Iterator[StatusLabel]:
        """The banners for accounts, receivers and the maintenance that no replica works on."""
        for sentence in unheld_sentences(self.unheld):
            yield StatusLabel("alert", sentence[0].upper() + sentence[1:], "bad")


ALONE = Cluster()
"""A daemon that has the database to itself."""


async def read_cluster(daemon: Daemon, reader: Reader, *, needs_leases: bool = False) -> Cluster:
    """The replicas and what none of them works on; the leases too if they are needed, or some may be without a holder."""
    replicas = await reader.replicas()
    if not replicas:
        return ALONE
    if not needs_leases and are_enough_held(replicas, daemon.config.accounts, daemon.config.receivers):
        return Cluster(replicas)
    leases = await reader.leases()
    return Cluster(replicas, leases, unheld_of(daemon, leases))
