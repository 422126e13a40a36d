"""Owns the statements that read names over SQLite."""

from typing import Final

from tracker.store.records.names import NameStatements

_ACCOUNTS: Final = "SELECT name FROM accounts UNION SELECT account FROM job_counts ORDER BY 1"

_RECEIVERS: Final = """WITH RECURSIVE found (name) AS (
  SELECT min(receiver) FROM deliveries
  UNION ALL SELECT (SELECT min(receiver) FROM deliveries WHERE receiver > found.name) FROM found WHERE found.name IS NOT NULL)
SELECT name FROM found WHERE name IS NOT NULL"""
"""One step of the index for each, however many deliveries there are."""

_STATUSES: Final = "SELECT DISTINCT status FROM job_counts ORDER BY status"
"""A status stays in this table when no job is in it any more."""

NAMES: Final = NameStatements(_ACCOUNTS, _RECEIVERS, _STATUSES)
