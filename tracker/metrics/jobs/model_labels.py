"""Owns the model labels of metrics: the first hundred models of an account have series of their own; the rest share one."""

from collections.abc import Iterable
from typing import Final

MODELS: Final = 100
"""Of an account; a submitted job may name any model."""

OTHER: Final = "other"
LONGEST: Final = 256
"""Characters of a model or an endpoint that a label shows."""


class ModelLabels:
    """The label of each model. Loops and scrapes may ask at once: then a few more may get one, never a different one."""

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {}

    def label(self, account: str, model: str | None) -> str:
        known = self._known.setdefault(account, set())
        name = (model or "")[:LONGEST]
        if name in known:
            return name
        if len(known) >= MODELS:
            return OTHER
        known.add(name)
        return name

    def keep(self, accounts: Iterable[str]) -> None:
        """Forget those of all other accounts."""
        for gone in self._known.keys() - set(accounts):
            del self._known[gone]
