"""Owns reading the list of silences: those that are open, and the last that ended."""

from typing import NamedTuple

from tracker.core.silences.silence import SilenceStatus
from tracker.store.records.query import Query
from tracker.store.records.silence_rows import decode_silence


class SilenceStatements(NamedTuple):
    """The statements of an engine that select the columns of `silence_rows`, and how many deliveries each silence keeps.

    `open` takes no parameter, `ended` the limit.
    """

    open: str
    ended: str


async def read_silences(query: Query, statements: SilenceStatements, ended: int) -> list[SilenceStatus]:
    rows = [*await query(statements.open), *(await query(statements.ended, ended) if ended else ())]
    return [SilenceStatus(silence=decode_silence(*row), silenced=silenced) for *row, silenced in rows]
