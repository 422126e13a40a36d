"""Owns what is in trouble with deliveries, for the header and the banners of every page."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tracker.core.deliveries.circuit import Circuit
from tracker.core.ports.reader import Reader
from tracker.core.queries.orphans import Orphans, account_sentence, receiver_sentence
from tracker.web.api.orphans import orphans_of
from tracker.web.daemon_interface import Tracker
from tracker.web.pages.formatting import Sign, number


class DeliveryTrouble(NamedTuple):
    """By receiver of the configuration: those that are failing or disabled, and how many deliveries are dead."""

    open_circuits: Mapping[str, Circuit] = {}
    dead: Mapping[str, int] = {}
    orphans: Orphans = Orphans()

    def __bool__(self) -> bool:
        return bool(self.open_circuits or self.dead or self.orphans.receivers)

    def signs(self) -> Iterator[Sign]:
        """A banner for each. Only the receiver's host would be fit to be shown; its name is all that is said."""
        for name, circuit in self.open_circuits.items():
            yield Sign("alert", _failing(name, circuit), "bad")
        for name, dead in self.dead.items():
            were = "1 delivery was" if dead == 1 else f"{number(dead)} deliveries were"
            yield Sign("alert", f"{were} given up for receiver {name}: deliver again or drop what is dead", "warn")
        for name, backlog in self.orphans.receivers.items():
            yield Sign("alert", _capital(receiver_sentence(name, backlog)), "warn")

    def account_signs(self) -> Iterator[Sign]:
        """A banner for each account that was taken out while jobs of it were active."""
        for name, jobs in self.orphans.accounts.items():
            yield Sign("alert", _capital(account_sentence(name, jobs)), "warn")


NO_TROUBLE = DeliveryTrouble()


async def delivery_trouble(tracker: Tracker, reader: Reader) -> DeliveryTrouble:
    names = [receiver.name for receiver in tracker.config.receivers]
    circuits, dead = await reader.circuits(), await reader.dead_counts()
    return DeliveryTrouble(
        {name: circuits[name] for name in names if name in circuits and circuits[name].is_open},
        {name: dead[name] for name in names if name in dead},
        await orphans_of(tracker, reader),
    )


def _failing(name: str, circuit: Circuit) -> str:
    if circuit.disabled:
        return f"Receiver {name} is disabled: it answered that it is gone. It gets nothing until it is enabled"
    detail = f": {circuit.detail}" if circuit.detail else ""
    return f"Receiver {name} keeps failing ({circuit.reason.replace('_', ' ')}){detail}"


def _capital(sentence: str) -> str:
    return (sentence[0].upper() + sentence[1:]).replace("`", "")
