"""Owns reading lists whose pages only follow each other: from the head down to a creation time, or to the end.

A page that fails ends the reading, for only its answer leads to the page behind it. It is read in smaller and smaller pages
first, so that all is read that stands before the entry that makes it fail. What stands behind it is known to be unread: the
reading is not complete, and active jobs there are asked for by id.
"""

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.jobs.job import Page
from tracker.core.ports.provider import ListQuery, Provider
from tracker.polling.pagination.list_reader import ListResult

_LOST_CURSOR: Final = frozenset({400, 404, 410, 422})
"""Answers to a token that no longer leads anywhere: it expired, or is the id of a job that was deleted since."""


class CursorReader:
    """The `ListReader` of a provider whose capabilities lack `random_access`."""

    def __init__(self, provider: Provider, direct: Provider, process_page: Callable[[Page], Awaitable[None]]) -> None:
        """`direct` is the `provider` without retries. `process_page` is given each page as soon as it has been read."""
        self.has_answered = False
        self._provider = provider
        self._direct = direct
        self._process_page = process_page

    async def read(self, name: str, query: ListQuery, lists: int = 1) -> ListResult:  # noqa: ARG002 - as the Protocol has it
        pagination = CursorPagination(self._provider, self._direct, query, self._process_page)
        await pagination.read()
        self.has_answered = self.has_answered or pagination.has_answered
        return ListResult(
            is_complete=pagination.problem is None,
            failure=pagination.failure,
            problem=pagination.problem,
            limitation=pagination.limitation,
        )


class CursorPagination:
    """One reading of one list by its tokens: the failure that ended it, and why it was not a good one.

    `limitation` is what the list lacks, although the reading is as good as it can be; None if it lacks nothing.
    """

    def __init__(
        self, provider: Provider, direct: Provider, query: ListQuery, process_page: Callable[[Page], Awaitable[None]]
    ) -> None:
        """See `CursorReader`."""
        self.failure: Failure | None = None
        self.problem: Failure | None = None
        self.limitation: str | None = None
        self.has_answered = False
        self._provider = provider
        self._direct = direct
        self._query = query
        self._process_page = process_page
        self._full_size = provider.capabilities.page_size
        self._has_restarted = False
        self._start()

    async def read(self) -> None:
        """Read page after page; a token that is lost is replaced by reading once more from the head."""
        while self.problem is None and not self._has_ended:
            page = await self._fetch()
            if not isinstance(page, Failure):
                await self._accept(page)
            elif self._lost_cursor(page):
                self._start()
                self._has_restarted = True
            elif page.may_be_one_job and self._size > 1:
                self._split()
            else:
                self._fail(page)

    def _start(self) -> None:
        self._token: str | None = None
        self._tokens: set[str] = set()  # those that led to a page of this reading
        self._previous: tuple[str, ...] = ()  # the ids on the page before
        self._is_guessed = False  # whether it did not say that there are more
        self._entries = 0  # how many have been read
        self._size = self._full_size
        self._suspect_until = 0  # the place before which an entry makes a page fail
        self._has_ended = False

    async def _fetch(self) -> Page | Failure:
        provider = self._direct if 1 < self._size < self._full_size else self._provider
        page = await provider.list_jobs(self._query, self._token, self._size)
        self.has_answered = self.has_answered or not isinstance(page, Failure)
        return page

    async def _accept(self, page: Page) -> None:
        ids = tuple(job.id for job in page.jobs)
        if ids and ids == self._previous:
            self._end_ignored()
            return
        await self._process_page(page)
        self._previous = ids
        self._is_guessed = page.next_is_guessed
        self._entries += len(page)
        self._size = self._next_size()
        self._follow(page)

    def _end_ignored(self) -> None:
        """An API that claims more and does not show it hides something; one that claims nothing has shown all that it has."""
        ignores = "the API, or a cache before it, ignores the page token"
        if self._is_guessed:
            self._has_ended = True
            self.limitation = f"{ignores}: of a list only the first {self._entries} entries can be read"
        else:
            self.problem = Failure(Reason.INCOMPLETE, ignores)

    def _next_size(self) -> int:
        """The full size, once the entries are behind that make a page fail. The first one alone shows that the list works."""
        if self._entries >= self._suspect_until:
            return self._full_size
        return self._full_size // 2 if self._entries == 1 else self._size

    def _follow(self, page: Page) -> None:
        """Not the first known job ends a list: a creation can become visible late."""
        if page.next_token is None or self._provider.capabilities.has_passed(page, self._query):
            self._has_ended = True
        elif page.next_token in self._tokens:
            self.problem = Failure(Reason.INCOMPLETE, f"the API gave a page token twice, after {self._entries} entries")
        else:
            self._token = page.next_token
            self._tokens.add(page.next_token)

    def _lost_cursor(self, failure: Failure) -> bool:
        return self._token is not None and failure.status in _LOST_CURSOR and not self._has_restarted

    def _split(self) -> None:
        """Ask for half as many entries, until all before the one that makes the page fail have been read.

        At the head of the list one is asked for: while the API fails it costs no more.
        """
        self._suspect_until = max(self._suspect_until, self._entries + self._size)
        self._size = self._size // 2 if self._entries else 1

    def _fail(self, failure: Failure) -> None:
        self.failure = self.problem = failure
        if failure.may_be_one_job and self._entries:
            detail = f"the list cannot be read beyond its first {self._entries} entries: {failure.detail}"
            self.problem = msgspec.structs.replace(failure, reason=Reason.INCOMPLETE, detail=detail)
