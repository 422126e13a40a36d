"""Owns what one receiver is being sent, and whether nothing else is pending for it: then new deliveries need no look."""

from collections.abc import Callable, Collection, Iterable, Iterator

from tracker.core.deliveries.delivery import Delivery
from tracker.core.ports.outbox import Rest


class UnderWay(Collection[int]):
    """The seqs of the deliveries that are under way, of which those of one stream never overlap.

    `is_all` is known from a look at the outbox. It lasts while there is no news of it, whatever is added here and delivered.
    """

    def __init__(self, news: Callable[[], int]) -> None:
        """`news` gives another number once something else may be pending."""
        self._news = news
        self._seen: int | None = None
        self._is_all = False
        self._streams: dict[int, str] = {}

    def __contains__(self, seq: object) -> bool:
        return seq in self._streams

    def __iter__(self) -> Iterator[int]:
        return iter(self._streams)

    def __len__(self) -> int:
        return len(self._streams)

    @property
    def is_all(self) -> bool:
        """Whether nothing else is pending for the receiver."""
        return self._is_all and self._seen == self._news()

    def look(self) -> None:
        """The outbox is read from now on: what is committed while it is read is news."""
        self._is_all, self._seen = False, self._news()

    def found(self, rest: Rest) -> None:
        """What the look has found besides these deliveries."""
        self._is_all = rest.is_empty

    def doubt(self) -> None:
        """Something else may be pending, whatever a look finds that has begun already."""
        self._seen = None

    def has_no_stream_of(self, deliveries: Collection[Delivery]) -> bool:
        """Whether none of `deliveries` follows in the stream of one that is under way, or of another of them."""
        streams = {delivery.stream for delivery in deliveries}
        return len(streams) == len(deliveries) and streams.isdisjoint(self._streams.values())

    def add(self, message: Iterable[Delivery]) -> None:
        """The deliveries of `message` are being sent."""
        self._streams.update((delivery.seq, delivery.stream) for delivery in message)

    def remove(self, seqs: Iterable[int]) -> None:
        """These are not under way any more."""
        for seq in seqs:
            self._streams.pop(seq, None)

    def clear(self) -> None:
        """Nothing is under way any more."""
        self._streams.clear()
