"""Owns the faults to order: which kinds there are, which calls they can spoil, and which request is next."""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Final, NamedTuple

REFUSALS: Final = {
    "429": "rate limited, Retry-After in seconds",
    "429-date": "rate limited, Retry-After as a date",
    "429-bare": "rate limited, without Retry-After",
    "500": "an error as JSON",
    "503": "an error without a body",
    "html": "a gateway's page, status 502",
    "401": "the key is refused",
    "402": "batch is not enabled",
}
"""The API says no; nothing is carried out."""

SILENCES: Final = {
    "hang": "no answer for as long as the client waits",
    "reset": "the connection is reset",
}
"""Nothing is carried out, and nothing is said."""

LIES: Final = {
    "truncated": "half of the JSON",
    "malformed": "JSON of another shape",
    "bad-job": "one job without a status",
    "cut": "the connection closes in the middle of the answer",
    "drip": "a byte at a time",
    "stale": "what was true a while ago",
    "shift": "the pages are one job further, or one behind",
    "vanish": "one job is missing from the list, or not found",
}
"""The answer to a read is spoilt."""

KINDS: Final[Mapping[str, str]] = REFUSALS | SILENCES | LIES
ANY: Final = tuple(kind for kind in KINDS if kind not in ("401", "402"))
"""The kinds that pass, and that a workspace in good order meets sooner or later."""


class Fault(NamedTuple):
    """One request in 1 / `probability` is spoilt in the way `kind`."""

    kind: str
    probability: float


def parse(text: str) -> list[Fault]:
    """Read KIND:PROBABILITY; `any:P` shares P out among all of `ANY`. Raises ValueError that says what is expected."""
    kind, _, share = text.partition(":")
    try:
        probability = float(share)
    except ValueError:
        probability = -1.0
    if not 0 <= probability <= 1:
        raise ValueError(f"found {share!r} in {text!r}, expected KIND:PROBABILITY with a probability from 0 to 1")
    if kind == "any":
        return [Fault(each, probability / len(ANY)) for each in ANY]
    if kind not in KINDS:
        raise ValueError(f"found {kind!r}, expected any or one of {', '.join(KINDS)}")
    return [Fault(kind, probability)]


class Faults:
    """Draws for each request whether it is spoilt, and how."""

    def __init__(self, faults: Iterable[Fault] = (), seed: int = 0) -> None:
        """Raises ValueError where the probabilities sum up to more than 1."""
        self._faults = tuple(faults)
        self.random = Random(seed)  # noqa: S311 - it has to be repeatable
        if sum(fault.probability for fault in self._faults) > 1 + 1e-9:
            raise ValueError("the probabilities of all faults sum up to more than 1")

    def draw(self, *, reading: bool) -> str | None:
        """The kind of fault that spoils the next request; None where it is answered honestly."""
        chance = self.random.random()
        for kind, probability in self._faults:
            if chance < probability:
                return kind if reading or kind not in LIES else None
            chance -= probability
        return None
