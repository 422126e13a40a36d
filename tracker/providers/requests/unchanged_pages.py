"""Owns the pages that a list showed last: what comes byte for byte as before, a page or a job of it, is not read again."""

from collections.abc import Callable, Hashable
from typing import Final

from msgspec.structs import replace

from tracker.core.deliveries.retry_schedule import server_time
from tracker.core.errors.provider_failure import Failure
from tracker.core.jobs.job import KeptJobs, Page
from tracker.http.client import Answer
from tracker.providers.requests.page_entries import NEW, Entries, compare, entries_of

MOST_BYTES: Final = 12 * 1024 * 1024
"""Bytes of the answers that are kept, by account: some 24,000 jobs of Mistral's, or half of them in two lists."""

STALE_AFTER: Final = 1000
"""Reads after which a page gives its room to others: some lists give their pages new names each time."""

READ_WHOLE: Final = 15
"""Changes of a page that are read whole after one of too many jobs."""

Read = Callable[[Answer], Page | Failure]
Finish = Callable[[Page], Page]


class UnchangedPages:
    """The last page that was read at each place of the lists of one account, and its bytes.

    Where there is no room for a page it is read each time; a list that is larger than the room still has the rest of its pages
    here. Kept jobs are soon the very values that are known of them (`KeptJobs`), so that in effect the bytes alone take room.
    """

    def __init__(self, most_bytes: int = MOST_BYTES, stale_after: int = STALE_AFTER) -> None:
        self._pages: dict[Hashable, _Kept] = {}  # the one that was not read for the longest time comes first
        self._room = most_bytes
        self._stale_after = stale_after
        self._reads = 0

    def read(self, place: Hashable, answer: Answer, read: Read, finish: Finish | None = None) -> Page | Failure:
        """The page of `answer`, from `read` unless the last one at `place` had the same bytes.

        With `finish`, which completes what `read` has read, only the jobs that have changed may be read, from an answer with
        them alone.
        """
        self._reads += 1
        kept = self._take(place)
        if kept is None or kept.body != answer.body:
            page, entries = (finish and kept and kept.read_changed(answer, read)) or (read(answer), None)
            if isinstance(page, Failure):
                return page
            self._drop_stale()
            read_whole = kept.read_whole if kept and entries is None else 0
            kept = _Kept(answer.body, finish(page) if finish else page, entries, read_whole)
        self._keep(place, kept)
        return kept.shown_by(answer)

    def _take(self, place: Hashable) -> "_Kept | None":
        kept = self._pages.pop(place, None)
        if kept:
            self._room += len(kept.body)
        return kept

    def _keep(self, place: Hashable, kept: "_Kept") -> None:
        kept.read_at = self._reads
        if len(kept.body) <= self._room:
            self._pages[place] = kept
            self._room -= len(kept.body)

    def _drop_stale(self) -> None:
        while self._pages:
            place = next(iter(self._pages))
            if self._pages[place].read_at > self._reads - self._stale_after:
                return
            self._take(place)


class _Kept:
    """A page, the body that it was read from, and at which read that was."""

    def __init__(self, body: bytes, page: Page, entries: Entries | None, read_whole: int) -> None:
        """It is read whole `read_whole` times before its jobs are compared again."""
        self.body = body
        self.read_at = 0
        self.read_whole = read_whole
        self._page = replace(page, jobs=())  # its jobs are in memory once
        self._jobs = KeptJobs(page.jobs)
        self._entries = entries

    def shown_by(self, answer: Answer) -> Page:
        return replace(self._page, jobs=self._jobs.jobs, kept=self._jobs, provider_time=server_time(answer.headers))

    def read_changed(self, answer: Answer, read: Read) -> tuple[Page, Entries] | None:
        """The page of `answer`, whose jobs that came as before are those of this page; None where it has to be read whole."""
        if self.read_whole:
            self.read_whole -= 1
            return None
        self.read_whole = READ_WHOLE
        entries, before = self._entries or entries_of(self.body), self._jobs.jobs
        comparison = entries and len(entries.starts) == len(before) and compare(self.body, entries, answer.body)
        page = comparison and read(replace(answer, body=comparison.new))
        if not comparison or not isinstance(page, Page) or len(page.jobs) != comparison.order.count(NEW):
            return None
        new = iter(page.jobs)
        jobs = tuple([next(new) if index == NEW else before[index] for index in comparison.order])
        return replace(page, jobs=jobs), comparison.entries
