"""Owns how many attempts all receivers together have under way: of a thousand there would be more than there may be files."""

from typing import Final

MAX_ATTEMPTS: Final = 512


class ConcurrencyLimit:
    """Shares out attempts. Each receiver may have one in any case: those that hang must not keep the others from theirs."""

    def __init__(self, most: int = MAX_ATTEMPTS) -> None:
        self._most = most
        self._under_way: dict[str, int] = {}  # by receiver, and what it is about to begin

    def take(self, receiver: str, under_way: int, wanted: int) -> int:
        """How many of the wanted attempts a receiver may begin beside those that it has under way; they count from now on."""
        self.tell(receiver, under_way)
        taken = max(0, min(wanted, max(self._most - sum(self._under_way.values()), 1 - under_way)))
        self.tell(receiver, under_way + taken)
        return taken

    def tell(self, receiver: str, under_way: int) -> None:
        """How many the receiver has under way now; who has none is forgotten: names come and go."""
        if under_way:
            self._under_way[receiver] = under_way
        else:
            self._under_way.pop(receiver, None)
