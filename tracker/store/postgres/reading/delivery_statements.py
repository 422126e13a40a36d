"""Owns the statements that read deliveries and receivers over PostgreSQL."""

from collections.abc import Sequence
from typing import Any, Final

from tracker.core.queries.pagination import DeliveryKey
from tracker.store.records.delivery_pages import DeliveryScan, DeliveryStatements

_CONDITIONS: Final = {
    "all": "true",
    "open": "d.state IN ('pending', 'dead')",
    "of_receiver": "d.receiver = $4",
    "dead_of_receiver": "d.receiver = $4 AND d.state = 'dead'",
}
"""Of the rows of each index."""

_WANTED: Final = """{condition} AND d.seq {after}= $1 AND (d.seq, d.receiver) {after} ($1, $2)
  AND (cardinality($3::text[]) = 0 OR {state} = ANY ($3)) AND ($4::text IS NULL OR d.receiver = $4){within}"""

_WITHIN: Final = " AND (d.seq, d.receiver) {up_to} ($7, $8)"

_ORDER: Final = "ORDER BY d.seq {direction}, d.receiver {direction}"

_STATE: Final = "CASE WHEN d.silence IS NULL OR d.state <> 'superseded' THEN d.state ELSE 'silenced' END"
_SILENCE: Final = "CASE WHEN d.state = 'superseded' THEN d.silence END"
_COLUMNS: Final = f"d.seq, d.receiver, e.id, d.type, e.account, e.job, {_STATE}, d.due_at, d.ended_at, {_SILENCE}"

_PAGE: Final = f"""WITH found AS MATERIALIZED (SELECT d.* FROM deliveries AS d WHERE {_WANTED} {_ORDER} LIMIT $6)
SELECT {_COLUMNS} FROM found AS d CROSS JOIN LATERAL (SELECT id, account, job FROM events WHERE seq = d.seq OFFSET 0) AS e
{_ORDER}"""  # noqa: S608 - of constants
"""First the deliveries alone: what is passed over is not joined. `OFFSET 0` makes it one look into an index for each row,
whatever PostgreSQL supposes of how many there are."""

_OF_JOB: Final = f"""events AS e CROSS JOIN LATERAL (
  SELECT d.* FROM deliveries AS d WHERE d.seq = e.seq AND {_WANTED} OFFSET 0) AS d
WHERE e.job = $5 AND e.seq {{after}}= $1"""  # noqa: S608 - of constants

_PAGE_OF_JOB: Final = f"SELECT {_COLUMNS} FROM {_OF_JOB} {_ORDER} LIMIT $6"  # noqa: S608 - of constants

_OF_ANY_JOB: Final = f"deliveries AS d WHERE {_WANTED}"

_SKIPPED: Final = "SELECT d.seq, d.receiver FROM {source} {order} LIMIT 1 OFFSET $6"

_END_OF_SCAN: Final = f"""SELECT d.seq, d.receiver FROM deliveries AS d
WHERE {{condition}} AND d.seq {{after}}= $1 AND (d.seq, d.receiver) {{after}} ($1, $2)
{_ORDER} LIMIT 1 OFFSET $6"""  # noqa: S608 - of constants

_ATTEMPTS: Final = """SELECT wanted.receiver, wanted.seq, a.*
FROM unnest($1::text[], $2::bigint[]) AS wanted (receiver, seq) CROSS JOIN LATERAL (
  SELECT number, began_at, ended_at, result, status, detail, answer FROM attempts
  WHERE receiver = wanted.receiver AND seq = wanted.seq OFFSET 0) AS a ORDER BY a.number"""

_LAST_ERROR: Final = """SELECT a.* FROM (
  (SELECT seq FROM deliveries WHERE receiver = $1 AND state = 'dead' ORDER BY seq DESC LIMIT 100)
  UNION ALL
  (SELECT seq FROM deliveries WHERE receiver = $1 AND state = 'pending' ORDER BY due_at DESC LIMIT 1000)) AS d
CROSS JOIN LATERAL (SELECT ended_at, seq, result, status, detail FROM attempts
  WHERE receiver = $1 AND seq = d.seq AND result <> 'delivered' OFFSET 0) AS a
ORDER BY a.ended_at DESC LIMIT 1"""


def _format(sql: str, scan: DeliveryScan, within: str = "") -> str:
    after, up_to, direction = ("<", ">=", "DESC") if scan.newest_first else (">", "<=", "ASC")
    condition = _CONDITIONS[scan.index_name]
    within = within.format(up_to=up_to)
    return sql.format(after=after, direction=direction, condition=condition, within=within, state=_STATE)


def _page(scan: DeliveryScan, within: str = "") -> str:
    return _format(_PAGE_OF_JOB if scan.of_job else _PAGE, scan, within)


def _after_skipped(scan: DeliveryScan) -> str:
    return _format(_SKIPPED.format(source=_OF_JOB if scan.of_job else _OF_ANY_JOB, order=_ORDER), scan)


def _attempts(keys: Sequence[DeliveryKey]) -> tuple[Any, ...]:
    return _ATTEMPTS, [key.receiver for key in keys], [key.seq for key in keys]


DELIVERIES: Final = DeliveryStatements(
    page=_page,
    page_within=lambda scan: _page(scan, _WITHIN),
    after_skipped=_after_skipped,
    end_of_scan=lambda scan: _format(_END_OF_SCAN, scan),
    attempts=_attempts,
    circuits="SELECT name, failures, since, quiet_until, asked_until, reason, detail, disabled FROM receivers",
    pending="SELECT count(*), min(seq) FROM deliveries WHERE receiver = $1 AND state = 'pending'",
    dead="SELECT count(*) FROM deliveries WHERE receiver = $1 AND state = 'dead'",
    observed="SELECT observed_at FROM events WHERE seq = $1",
    last_error=_LAST_ERROR,
    dead_counts="SELECT receiver, count(*) FROM deliveries WHERE state = 'dead' GROUP BY receiver",
)
