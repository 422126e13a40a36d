"""Owns the statements that read pages of the log over SQLite."""

from typing import Final

from tracker.store.records.event_pages import EventStatements

_SELECT: Final = """SELECT events.seq, events.id, events.account, events.observed_at, events.body, base.body
FROM events{index} LEFT JOIN events AS base ON base.seq = events.base
WHERE events.seq > ?1 AND events.seq < ?2{wanted}
ORDER BY events.seq {{direction}} LIMIT ?3"""

_COLUMNS: Final = """ AND (?4 IS NULL OR events.account = ?4)
  AND (?5 IS NULL OR events.type IN (SELECT value FROM json_each(?5))) AND (?6 IS NULL OR events.observed_at >= ?6)
  AND (?7 IS NULL OR events.observed_at < ?7)"""

_LAST_OF_JOBS: Final = """SELECT account.value, job.value,
  events.seq, events.id, events.account, events.observed_at, events.body, base.body
FROM json_each(?2) AS account JOIN json_each(?3) AS job ON job.key = account.key
JOIN events ON events.seq = (SELECT last.seq FROM events AS last INDEXED BY events_of_job
  WHERE last.job = job.value AND last.account = account.value AND last.type = ?1 ORDER BY last.seq DESC LIMIT 1)
LEFT JOIN events AS base ON base.seq = events.base"""

EVENTS: Final = EventStatements(
    by_seq=_SELECT.format(index="", wanted=""),
    by_columns=_SELECT.format(index=" INDEXED BY events_narrow", wanted=_COLUMNS),
    by_job=_SELECT.format(index=" INDEXED BY events_of_job", wanted=f"{_COLUMNS} AND events.job = ?8"),
    last_of_jobs=_LAST_OF_JOBS,
    last_seq="SELECT coalesce(max(seq), 0) FROM events",
)
