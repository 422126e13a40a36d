"""Owns the outcome of archiving the result files of one job, with the digest, usage and cost of their lines."""

from typing import Literal

import msgspec

from tracker.core.results.cost import Cost
from tracker.core.results.failure_digest import Digest
from tracker.core.results.result_file import ArchivedFile, MissingFile
from tracker.core.results.usage import Usage

ResultState = Literal["archived", "partial", "gone", "forbidden", "too_large", "failed"]
"""The first two: each file, or one of two files, is in the archive. The others: none is, and why the first one is not."""


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of archiving the files of the job `job_id`; every file that it names is either in `files` or in `missing`.

    `archived_at` is Unix milliseconds. `digest`, `usage` and `cost` are of the files that are archived, None if none is;
    `cost` is None if there are no prices, too.
    """

    account: str
    job_id: str
    archived_at: int
    files: tuple[ArchivedFile, ...] = ()
    missing: tuple[MissingFile, ...] = ()
    digest: Digest | None = None
    usage: Usage | None = None
    cost: Cost | None = None

    @property
    def state(self) -> ResultState:
        if self.files:
            return "partial" if self.missing else "archived"
        return self.missing[0].reason if self.missing else "archived"


class ExpiredResults(msgspec.Struct, frozen=True, kw_only=True):
    """Files that were archived longer ago than they are to be kept; at least one."""

    account: str
    job_id: str
    files: tuple[ArchivedFile, ...]
