"""Owns reading the names that the log has: its accounts, receivers and statuses."""

from typing import Final

from tracker.core.queries.names import Names
from tracker.store.sqlite.reading.events import Query

_ACCOUNTS: Final = "SELECT name FROM accounts UNION SELECT account FROM job_counts ORDER BY 1"

_RECEIVERS: Final = """WITH RECURSIVE found (name) AS (
  SELECT min(receiver) FROM deliveries
  UNION ALL SELECT (SELECT min(receiver) FROM deliveries WHERE receiver > found.name) FROM found WHERE found.name IS NOT NULL)
SELECT name FROM found WHERE name IS NOT NULL"""
"""One step of the index for each, however many deliveries there are."""

_STATUSES: Final = "SELECT DISTINCT status FROM job_counts ORDER BY status"
"""A status stays in this table when no job is in it any more."""


async def read_names(query: Query) -> Names:
    return Names(*[[name for (name,) in await query(sql)] for sql in (_ACCOUNTS, _RECEIVERS, _STATUSES)])
