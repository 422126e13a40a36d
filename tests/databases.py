"""Owns database files to be opened: of each schema that there was, with what such a file holds, and what is in one."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

SCHEMAS = Path(__file__).parent / "data" / "schemas"
"""N.sql is what schema N, as it was released, has beyond the one before; content.sql is rows for all of their tables."""

VERSIONS = sorted(int(each.stem) for each in SCHEMAS.glob("[0-9]*.sql"))

LIKE = "33333333-0000-4000-8000-000000000000"
"""A job of the content that is queued: its first event is all that there is of it."""

MANY_MORE = f"""
CREATE TEMP TABLE more AS WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers LIMIT ?)
  SELECT n + (SELECT max(seq) FROM events) AS seq, printf('evt_%032x', n) AS id, printf('%08x', n) || substr('{LIKE}', 9) AS job
  FROM numbers;
INSERT INTO events (seq, id, type, account, job, created_at, observed_at, backfilled, body)
  SELECT more.seq, more.id, type, account, more.job, created_at, observed_at, backfilled,
  replace(replace(replace(body, events.id, more.id), '"seq":' || events.seq, '"seq":' || more.seq), events.job, more.job)
  FROM more JOIN events ON events.seq = (SELECT seq FROM events WHERE job = '{LIKE}') ORDER BY more.seq;
INSERT INTO jobs (account, id, status, active, deleted, created_at, first_seen_at, observed_at, seq, data)
  SELECT account, more.job, status, active, deleted, created_at, first_seen_at, observed_at, more.seq,
  replace(data, jobs.id, more.job) FROM more JOIN jobs ON jobs.id = '{LIKE}';
"""  # noqa: S608 - of constants


def make(path, version, *, more=0, journal="WAL"):
    """A database of that schema as its daemon left it, with `more` jobs besides."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        released = "".join((SCHEMAS / f"{each}.sql").read_text() for each in range(1, version + 1))
        connection.executescript(f"PRAGMA synchronous = OFF; BEGIN; {released}")
        there = {name for _, name in tables(connection)}
        for line in (SCHEMAS / "content.sql").read_text().splitlines():
            if line.split('"')[1] in there:
                connection.execute(line)
        for statement in MANY_MORE.replace("?", str(more)).split(";\n") if more else ():
            connection.execute(statement)
        connection.execute("COMMIT")
        connection.execute(f"PRAGMA journal_mode = {journal}")
    return path


def tables(connection):
    return connection.execute(
        "SELECT sql, name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()


class Found:
    """What is in a database: whether it is sound, its version, all that its schema consists of, and its rows by table."""

    def __init__(self, path):
        with closing(sqlite3.connect(path)) as connection:
            self.sound = connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            (self.version,) = connection.execute("PRAGMA user_version").fetchone()
            self.schema = {_plain(sql) for (sql,) in connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")}
            self.rows = {
                name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=_order)  # noqa: S608 - of the schema
                for _, name in tables(connection)
            }

    def has_the_rows_of(self, earlier):
        """All the columns that there were then."""
        return all(
            len(self.rows[name]) == len(rows)
            and all(now[: len(then)] == then for now, then in zip(self.rows[name], rows, strict=True))
            for name, rows in earlier.rows.items()
        )


def _order(row):
    """By the first columns, which have the key."""
    return repr(row[:3])


def _plain(sql):
    """Without the comments, which may change."""
    return " ".join(re.sub("--[^\n]*", "", sql).split())
