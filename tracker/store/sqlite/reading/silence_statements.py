"""Owns the statements that read silences over SQLite."""

from typing import Final

from tracker.store.records.silence_list import SilenceStatements
from tracker.store.records.silence_rows import COLUMNS

ALL_OPEN: Final = f"SELECT {COLUMNS} FROM silences INDEXED BY silences_open WHERE ended_at IS NULL"  # noqa: S608 - of constants

_OPEN: Final = f"""SELECT {COLUMNS}, (SELECT count(*) FROM deliveries INDEXED BY deliveries_silenced
  WHERE silence = silences.id AND state = 'superseded')
FROM silences INDEXED BY silences_open WHERE ended_at IS NULL ORDER BY starts_at, id"""  # noqa: S608 - of constants

_ENDED: Final = f"""SELECT {COLUMNS}, coalesce(silenced, 0) FROM silences INDEXED BY silences_ended
WHERE ended_at IS NOT NULL ORDER BY ended_at DESC, id LIMIT ?"""  # noqa: S608 - of constants

SILENCES: Final = SilenceStatements(_OPEN, _ENDED)
