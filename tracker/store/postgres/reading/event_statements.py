"""Owns the statements that read pages of the log over PostgreSQL."""

from typing import Final

from tracker.store.records.event_pages import EventStatements
from tracker.store.records.stored_events import STORED_EVENT

_COLUMNS: Final = """ AND ($4::text IS NULL OR account = $4) AND ($5::text[] IS NULL OR type = ANY ($5))
  AND ($6::text IS NULL OR observed_at >= $6) AND ($7::text IS NULL OR observed_at < $7)"""

_SELECT: Final = f"""SELECT {STORED_EVENT} FROM events AS e
WHERE seq > $1 AND seq < $2{{wanted}}
ORDER BY seq {{{{direction}}}} LIMIT $3"""  # noqa: S608 - of constants

_HAS_NEEDLE: Final = """ AND (position($4 IN body) > 0
  OR base IS NOT NULL AND position($4 IN (SELECT body FROM events WHERE seq = e.base)) > 0)"""

_BY_COLUMNS: Final = f"""WITH found AS MATERIALIZED (
  SELECT seq FROM events WHERE seq > $1 AND seq < $2{_COLUMNS} ORDER BY seq {{direction}} LIMIT $3)
SELECT {STORED_EVENT} FROM found CROSS JOIN LATERAL (SELECT * FROM events WHERE seq = found.seq OFFSET 0) AS e
ORDER BY found.seq {{direction}}"""  # noqa: S608 - of constants
"""First by the index alone: what is passed over is not read. `OFFSET 0` makes it one look into an index for each row, whatever
PostgreSQL supposes of how many there are."""

_OF_TYPES: Final = """unnest($5::text[]) AS wanted (type) CROSS JOIN LATERAL (
  SELECT seq FROM rare_events WHERE rare_events.type = wanted.type AND seq > $1 AND seq < $2{more}) AS each"""

_RARE: Final = """ AND ($4::text IS NULL OR account = $4)
  AND ($6::text IS NULL OR observed_at >= $6) AND ($7::text IS NULL OR observed_at < $7) ORDER BY seq {direction} LIMIT $3"""

_BY_TYPES: Final = f"""WITH found AS MATERIALIZED (
  SELECT each.seq FROM {_OF_TYPES.format(more=_RARE)} ORDER BY seq {{direction}} LIMIT $3)
SELECT {STORED_EVENT} FROM found CROSS JOIN LATERAL (SELECT * FROM events WHERE seq = found.seq OFFSET 0) AS e
ORDER BY found.seq {{direction}}"""  # noqa: S608 - of constants

_END_OF_TYPES: Final = f"SELECT each.seq FROM {_OF_TYPES.format(more=' ORDER BY seq {direction} LIMIT 1 OFFSET $3')}"  # noqa: S608 - of constants

_LAST_OF_JOBS: Final = f"""SELECT wanted.account, wanted.job, {STORED_EVENT}
FROM unnest($2::text[], $3::text[]) AS wanted (account, job) CROSS JOIN LATERAL (
  SELECT * FROM events WHERE job = wanted.job AND account = wanted.account AND type = $1 ORDER BY seq DESC LIMIT 1
) AS e"""  # noqa: S608 - of constants

EVENTS: Final = EventStatements(
    by_seq=_SELECT.format(wanted=""),
    by_needle=_SELECT.format(wanted=_HAS_NEEDLE),
    by_columns=_BY_COLUMNS,
    by_job=_SELECT.format(wanted=f"{_COLUMNS} AND job = $8"),
    by_types=lambda _types: _BY_TYPES,
    end_of_types=lambda _types: _END_OF_TYPES,
    last_of_jobs=_LAST_OF_JOBS,
    last_seq="SELECT coalesce(max(seq), 0) FROM events",
    bounds="SELECT 1, coalesce(max(seq), 0) FROM events",
)
