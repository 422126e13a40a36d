"""Owns the statements that read pages of the log over SQLite."""

from typing import Final

from tracker.store.records.event_pages import EventStatements

_STORED: Final = "events.seq, events.id, events.account, events.observed_at, events.body, base.body"

_SELECT: Final = f"""SELECT {_STORED}
FROM events{{index}} LEFT JOIN events AS base ON base.seq = events.base
WHERE events.seq > max(?1, (SELECT first_seq - 1 FROM log_start)) AND events.seq < ?2{{wanted}}
ORDER BY events.seq {{{{direction}}}} LIMIT ?3"""  # noqa: S608 - of constants

_COLUMNS: Final = """ AND (?4 IS NULL OR events.account = ?4)
  AND (?5 IS NULL OR events.type IN (SELECT value FROM json_each(?5))) AND (?6 IS NULL OR events.observed_at >= ?6)
  AND (?7 IS NULL OR events.observed_at < ?7)"""

_HAS_NEEDLE: Final = " AND (instr(events.body, ?4) OR instr(base.body, ?4))"

_OF_TYPE: Final = "type = json_extract(?5, '$[{number}]') AND seq > max(?1, (SELECT first_seq - 1 FROM log_start)) AND seq < ?2"

_RARE: Final = f"""SELECT seq FROM (SELECT seq FROM rare_events WHERE {_OF_TYPE} AND (?4 IS NULL OR account = ?4)
  AND (?6 IS NULL OR observed_at >= ?6) AND (?7 IS NULL OR observed_at < ?7) ORDER BY seq {{direction}} LIMIT ?3)"""  # noqa: S608 - of constants

_BY_TYPES: Final = f"""SELECT {_STORED}
FROM ({{parts}} ORDER BY seq {{direction}} LIMIT ?3) AS found CROSS JOIN events ON events.seq = found.seq
LEFT JOIN events AS base ON base.seq = events.base
ORDER BY found.seq {{direction}}"""  # noqa: S608 - of constants
"""Each type by itself, in its order: all of them at once would be sorted, however many there are."""

_END_OF_TYPE: Final = f"""SELECT seq FROM (
  SELECT seq FROM rare_events WHERE {_OF_TYPE} ORDER BY seq {{direction}} LIMIT 1 OFFSET ?3)"""  # noqa: S608 - of constants

_LAST_OF_JOBS: Final = f"""SELECT account.value, job.value, {_STORED}
FROM json_each(?2) AS account JOIN json_each(?3) AS job ON job.key = account.key
JOIN events ON events.seq = (SELECT last.seq FROM events AS last INDEXED BY events_of_job
  WHERE last.job = job.value AND last.account = account.value AND last.type = ?1 ORDER BY last.seq DESC LIMIT 1)
LEFT JOIN events AS base ON base.seq = events.base"""  # noqa: S608 - of constants


def _parts(sql: str, types: int) -> str:
    return "\nUNION ALL ".join(sql.format(number=number, direction="{direction}") for number in range(types))


EVENTS: Final = EventStatements(
    by_seq=_SELECT.format(index="", wanted=""),
    by_needle=_SELECT.format(index="", wanted=_HAS_NEEDLE),
    by_columns=_SELECT.format(index=" INDEXED BY events_narrow", wanted=_COLUMNS),
    by_job=_SELECT.format(index=" INDEXED BY events_of_job", wanted=f"{_COLUMNS} AND events.job = ?8"),
    by_types=lambda types: _BY_TYPES.format(parts=_parts(_RARE, types), direction="{direction}"),
    end_of_types=lambda types: _parts(_END_OF_TYPE, types),
    last_of_jobs=_LAST_OF_JOBS,
    last_seq="SELECT coalesce(max(seq), 0) FROM events",
    bounds="SELECT first_seq, (SELECT coalesce(max(seq), 0) FROM events) FROM log_start",
)
