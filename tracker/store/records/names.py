"""Owns reading the names that the log has: its accounts, receivers and statuses."""

from typing import NamedTuple

from tracker.core.queries.name_suggestions import Names
from tracker.store.records.query import Query


class NameStatements(NamedTuple):
    """The statements of an engine that select one name a row, in order."""

    accounts: str
    receivers: str
    statuses: str


async def read_names(query: Query, statements: NameStatements) -> Names:
    return Names(*[[name for (name,) in await query(sql)] for sql in statements])
