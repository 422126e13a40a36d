"""Owns the warnings about deliveries, for the header and the banners of every page."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tracker.core.deliveries.circuit import Circuit
from tracker.core.ports.reader import Reader
from tracker.core.queries.orphaned_deliveries import Orphans, account_sentence, receiver_sentence
from tracker.web.api.orphaned_deliveries import orphans_of
from tracker.web.daemon_interface import Daemon
from tracker.web.pages.rendering.formatting import number
from tracker.web.pages.rendering.status_labels import StatusLabel


class DeliveryWarnings(NamedTuple):
    """Receivers that are failing or disabled, the number of dead deliveries by receiver, and the orphans."""

    open_circuits: Mapping[str, Circuit] = {}
    dead: Mapping[str, int] = {}
    orphans: Orphans = Orphans()

    def __bool__(self) -> bool:
        return bool(self.open_circuits or self.dead or self.orphans.receivers)

    def labels(self) -> Iterator[StatusLabel]:
        """A banner for each warning. It names the receiver, not its URL, which may be secret."""
        for name, circuit in self.open_circuits.items():
            yield StatusLabel("alert", _failing(name, circuit), "bad")
        for name, dead in self.dead.items():
            were = "1 delivery was" if dead == 1 else f"{number(dead)} deliveries were"
            yield StatusLabel("alert", f"{were} given up for receiver {name}: deliver again or drop what is dead", "warn")
        for name, backlog in self.orphans.receivers.items():
            yield StatusLabel("alert", _capital(receiver_sentence(name, backlog)), "warn")

    def account_labels(self) -> Iterator[StatusLabel]:
        """A banner for each account that was removed from the configuration while it had active jobs."""
        for name, jobs in self.orphans.accounts.items():
            yield StatusLabel("alert", _capital(account_sentence(name, jobs)), "warn")


NO_WARNINGS = DeliveryWarnings()


async def delivery_warnings(daemon: Daemon, reader: Reader) -> DeliveryWarnings:
    names = [receiver.name for receiver in daemon.config.receivers]
    circuits, dead = await reader.circuits(), await reader.dead_counts()
    return DeliveryWarnings(
        {name: circuits[name] for name in names if name in circuits and circuits[name].is_open},
        {name: dead[name] for name in names if name in dead},
        await orphans_of(daemon, reader),
    )


def _failing(name: str, circuit: Circuit) -> str:
    detail = f": {circuit.detail}" if circuit.detail else ""
    if circuit.disabled:
        return f"Receiver {name} is disabled, as it wants no further deliveries{detail}. It gets nothing until it is enabled"
    return f"Receiver {name} keeps failing ({circuit.reason.replace('_', ' ')}){detail}"


def _capital(sentence: str) -> str:
    return (sentence[0].upper() + sentence[1:]).replace("`", "")
