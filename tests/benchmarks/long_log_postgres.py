"""The log of `long_log` in PostgreSQL, made there: `python long_log_postgres.py EVENTS URL` fills an empty database."""

import asyncio
import sys

import asyncpg
import msgspec
from canned import job
from long_log import ACCOUNT, ACTIVE, KEPT, LATER, LIFE, PER_JOB, STALLS, YEAR, ended

from tracker.runtime.clock import now
from tracker.store.address import PostgresAddress
from tracker.store.postgres.database.schema import migrate

_LIVES = """
CREATE TEMP TABLE lives AS SELECT number, active, created, created + {last} AS ended, number * {per_job} AS seq,
  replace(replace(replace(replace(CASE WHEN active THEN $1 ELSE $2 END, '$ID', id), '"$CREATED"', (created / 1000)::text),
    '"$STARTED"', (created / 1000 + 60)::text), '"$ENDED"', ((created + {last}) / 1000)::text) AS data, id
FROM (
  SELECT number, false AS active, '00000000-0000-4001-8000-' || lpad(to_hex(number), 12, '0') AS id,
    ($3::bigint - {year} + ({year} - {life}) * number / $4) / 1000 * 1000 AS created
  FROM generate_series(0, $4::bigint - 1) AS number
  UNION ALL
  SELECT $4 + number, true, '00000000-0000-4000-8000-' || lpad(to_hex(number), 12, '0'), ({first} + number) * 1000
  FROM generate_series(0, $5::bigint - 1) AS number
) AS each"""

_STEPS = """
CREATE TEMP VIEW steps AS SELECT each.*, created + step * 60000 AS at, CASE
  WHEN step = 0 THEN 'batch.created' WHEN step = 1 THEN 'batch.started'
  WHEN step = {per_job} / 2 AND number % {stalls} = {stalls} - 1 THEN 'batch.stalled'
  WHEN step = {per_job} - 1 AND NOT active THEN 'batch.completed' ELSE 'batch.progress' END AS type
FROM (
  SELECT lives.*, event, event - seq - 1 AS step  -- one life after the other, so that nothing is sorted
  FROM lives, generate_series(seq + 1, seq + {per_job}) AS event
) AS each"""

_EVENTS = """
INSERT INTO events (seq, id, type, account, job, created_at, observed_at, backfilled, body)
SELECT event, evt, type, '{account}', id, at / 1000, moment, false,
  '{{"id":"' || evt || '","object":"event","type":"' || type || '","seq":' || event || ',"account":"{account}","created_at":' ||
  at / 1000 || ',"timestamp":"' || moment || '","observed_at":"' || moment || '","changes":{{"completed_requests":[' || step ||
  ',' || step + 1 || ']}},"data":' || data || '}}'
FROM (SELECT *, 'evt_' || lpad(to_hex(event), 32, '0') AS evt, {moment} AS moment FROM steps) AS each"""

_RARE_EVENTS = """
INSERT INTO rare_events SELECT type, seq, account, observed_at FROM events WHERE type = 'batch.stalled'"""

_JOBS = """
INSERT INTO jobs
SELECT '{account}', id, CASE WHEN active THEN 'RUNNING' ELSE 'SUCCESS' END, active, false, created / 1000, {first_seen},
  {observed}, seq + {per_job}, data, CASE WHEN NOT active THEN ended / 1000 END FROM lives"""

_TOLD = """
CREATE TEMP VIEW notified AS SELECT *, '{account}/' || id AS stream FROM steps WHERE NOT active AND ended > {end} - {kept}"""

_DELIVERIES = """
INSERT INTO deliveries
SELECT 'everything', event, stream, type, 'delivered', 0, at, NULL, at, 0 FROM notified
UNION ALL SELECT 'ends', event, stream, type, state, CASE state WHEN 'dead' THEN 1 ELSE 0 END, at,
  CASE state WHEN 'dead' THEN at END, at, 0
  FROM (SELECT *, CASE WHEN number % 100 = 0 THEN 'dead' ELSE 'delivered' END AS state FROM notified WHERE at = ended) AS each
UNION ALL SELECT 'unreachable', event, stream, type, 'pending', 1, {later}, at, NULL, 0 FROM notified WHERE at = ended"""

_ATTEMPTS = """
INSERT INTO attempts SELECT receiver, seq, 1, due_at, due_at, CASE state WHEN 'dead' THEN 'server' ELSE 'delivered' END,
  CASE state WHEN 'dead' THEN 500 ELSE 200 END, CASE state WHEN 'dead' THEN 'HTTP 500' ELSE 'HTTP 200' END, '', NULL::bigint
  FROM deliveries WHERE state <> 'pending'
UNION ALL SELECT receiver, seq, 1, first_failed_at, first_failed_at, 'network', NULL, 'refused', '', NULL
  FROM deliveries WHERE state = 'pending'"""


async def write(url: str, events: int, active: int = ACTIVE) -> None:
    """Fill the empty database with this number of `events`; its last `active` jobs are the first of `canned`."""
    await migrate(PostgresAddress(url=url, replica="long"))
    end, over, first = now(), events // PER_JOB - active, job(0)["created_at"]
    names = {
        "per_job": PER_JOB,
        "stalls": STALLS,
        "life": LIFE,
        "last": LIFE - 60_000,
        "year": YEAR,
        "kept": KEPT,
        "account": ACCOUNT,
        "end": end,
    }
    names |= {"later": LATER, "first": first, "moment": _iso("at"), "first_seen": _iso("created"), "observed": _iso("ended")}
    connection = await asyncpg.connect(url)
    # no trigger counts each of the jobs, or compares each number with the one before
    await connection.execute("SET search_path = batch_tracker, pg_temp; SET session_replication_role = replica")
    await connection.execute("SET timezone = 'UTC'; SET synchronous_commit = off")
    await connection.execute(_LIVES.format(**names), _template(job(0)), _template(ended(0, 0)), end, over, active)
    for sql in (_STEPS, _TOLD, _EVENTS, _RARE_EVENTS, _JOBS, _DELIVERIES, _ATTEMPTS):
        await connection.execute(sql.format(**names))
    await connection.execute("INSERT INTO job_counts SELECT account, status, deleted, count(*) FROM jobs GROUP BY 1, 2, 3")
    await connection.execute("UPDATE log_head SET seq = $1", events)
    since = end - YEAR
    await connection.execute("INSERT INTO accounts VALUES ($1, $2, $3, $4)", ACCOUNT, since, since // 1000, end // 1000)
    await connection.execute("VACUUM ANALYZE")  # as autovacuum does in the course of a year
    await connection.close()


def _iso(column: str) -> str:
    seconds = f"""to_char(to_timestamp({column} / 1000) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')"""
    return f"""{seconds} || '.' || lpad(({column} % 1000)::text, 3, '0') || 'Z'"""


def _template(data: dict) -> str:
    marks = {"id": "$ID", "created_at": "$CREATED", "started_at": "$STARTED"}
    return msgspec.json.encode(data | marks | ({"completed_at": "$ENDED"} if data["completed_at"] else {})).decode()


if __name__ == "__main__":
    asyncio.run(write(sys.argv[2], int(sys.argv[1])))
