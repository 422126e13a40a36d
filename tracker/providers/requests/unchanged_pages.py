"""Owns the pages that a list showed last: one that comes byte for byte as before is not read again."""

from collections.abc import Callable, Hashable
from typing import Final, NamedTuple

import msgspec

from tracker.core.deliveries.retry_schedule import server_time
from tracker.core.errors.provider_failure import Failure
from tracker.core.jobs.job import Page
from tracker.http.client import Answer

MOST_BYTES: Final = 4 * 1024 * 1024
"""Bytes of the answers whose pages are kept, by account: some 8,000 jobs of Mistral's."""


STALE_AFTER: Final = 1000
"""Reads after which a page gives its room to others: some lists give their pages new names each time."""


class UnchangedPages:
    """The last page that was read at each place of the lists of one account.

    Of an answer only its length and its hash are kept: 64 bits under a key that each process draws for itself. Where there is
    no room for a page it is read each time; a list that is larger than the room still has the rest of its pages here.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, stale_after: int = STALE_AFTER) -> None:
        self._pages: dict[Hashable, _Kept] = {}  # the one that was not read for the longest time comes first
        self._room = most_bytes
        self._stale_after = stale_after
        self._reads = 0

    def read(self, place: Hashable, answer: Answer, read: Callable[[Answer], Page | Failure]) -> Page | Failure:
        """The page of `answer`, from `read` unless the last one at `place` had the same bytes."""
        self._reads += 1
        size, digest = len(answer.body), hash(answer.body)
        kept = self._take(place)
        if kept and (kept.size, kept.digest) == (size, digest):
            self._keep(place, kept._replace(read_at=self._reads))
            return msgspec.structs.replace(kept.page, provider_time=server_time(answer.headers))
        page = read(answer)
        if isinstance(page, Page):
            self._drop_stale()
            self._keep(place, _Kept(size, digest, self._reads, page))
        return page

    def _take(self, place: Hashable) -> "_Kept | None":
        kept = self._pages.pop(place, None)
        if kept:
            self._room += kept.size
        return kept

    def _keep(self, place: Hashable, kept: "_Kept") -> None:
        if kept.size <= self._room:
            self._pages[place] = kept
            self._room -= kept.size

    def _drop_stale(self) -> None:
        for place, kept in [*self._pages.items()]:
            if kept.read_at > self._reads - self._stale_after:
                return
            self._take(place)


class _Kept(NamedTuple):
    """A page, the size and hash of the answer that it was read from, and at which read that was."""

    size: int
    digest: int
    read_at: int
    page: Page
