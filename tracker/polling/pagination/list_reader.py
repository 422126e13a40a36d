"""Owns the result of reading a list, whatever its pages are like."""

from typing import Protocol

import msgspec

from tracker.core.errors.provider_failure import Failure
from tracker.core.ports.provider import ListQuery


class ListResult(msgspec.Struct, frozen=True, kw_only=True):
    """The result of reading one list. The jobs themselves were processed page by page.

    `failure` is that of the request that ended the reading. `problem` is why the reading is not good: that failure, or a list
    that showed less than it announced. `is_complete` is whether everything was read but for single entries that fail.
    `read_up_to` is the creation time (Unix seconds) up to which an incomplete reading left nothing out; None if unknown.
    `limitation` is what the API's list lacks, in words; None if it lacks nothing.
    """

    is_complete: bool
    failure: Failure | None = None
    problem: Failure | None = None
    read_up_to: int | None = None
    limitation: str | None = None


class ListReader(Protocol):
    """Reads the lists of one account during one sweep."""

    @property
    def has_answered(self) -> bool:
        """Whether any list has answered in this sweep."""

    async def read(self, name: str, query: ListQuery, lists: int = 1) -> ListResult:
        """Read the list `name` as far as it can be read. `lists` is the number of lists that are read at the same time."""
