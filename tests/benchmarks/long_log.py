"""A log of years in minutes: `python long_log.py EVENTS DATABASE` writes the rows that the product would have written.

A job has fifty events, one after the other: it is created, starts, progresses, and ends; each thousandth stalls once. The log
spans a year and ends now; the newest jobs are those of `canned`, and run. Of the deliveries those of the last thirty days are
left: one receiver got everything; one how jobs ended, of which each hundredth was given up; one is unreachable, and gets them
later.
"""

import sqlite3
import sys
from contextlib import closing
from itertools import islice
from pathlib import Path
from uuid import UUID

import msgspec
from canned import job

from tracker.core.events.event import iso
from tracker.runtime.clock import now
from tracker.store.sqlite.database.schema import migrate

PER_JOB = 50
LIFE = PER_JOB * 60_000
"""Milliseconds that a job lives for."""

STALLS = 1_000
"""One job in this number stalls."""

ACTIVE = 1_000
ACCOUNT = "default"
YEAR = 365 * 86_400_000
KEPT = 30 * 86_400_000
LATER = 4_000_000_000_000
"""Unix milliseconds, in a hundred years."""

_TYPES = ["batch.created", "batch.started", *["batch.progress"] * (PER_JOB - 3), "batch.completed"]
_JOBS_AT_ONCE = 400
_DONE = {"status": "SUCCESS", "completed_requests": 1000, "succeeded_requests": 990}


def write(path: Path, events: int, active: int = ACTIVE) -> None:
    """Make the database `path`, with this number of `events`; its last `active` jobs are the first of `canned`."""
    migrate(path)
    end, over = now(), events // PER_JOB - active
    since = end - YEAR
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -500000")
        lives = iter(
            [_Life(number, ended(number, since + (end - LIFE - since) * number // over), end) for number in range(over)]
            + [_Life(over + number, job(number), end) for number in range(active)]
        )
        while some := list(islice(lives, _JOBS_AT_ONCE)):
            _insert(connection, some)
        connection.execute(
            "INSERT INTO accounts (name, since, horizon, watermark) VALUES (?, ?, ?, ?)",
            (ACCOUNT, since, since // 1000, end // 1000),
        )
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _insert(connection, lives):
    connection.execute("BEGIN")
    for table in (_Life.events, _Life.jobs, _Life.deliveries, _Life.attempts):  # in the order of what refers to what
        rows = [row for life in lives for row in table(life)]
        if rows:
            names = [name for _, name, *_ in connection.execute(f"PRAGMA table_info({table.__name__})")][: len(rows[0])]
            marks = ",".join("?" * len(names))
            insert = f"INSERT INTO {table.__name__} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - of names here
            connection.executemany(insert, rows)
    connection.execute("COMMIT")


def ended(number, created):
    """The job of that number, as it was in the end; `created` is Unix milliseconds."""
    at = created // 1000
    times = {"created_at": at, "started_at": at + 60, "completed_at": at + 60 * (PER_JOB - 1)}
    return job(number) | _DONE | times | {"id": str(UUID(int=number + 2**64, version=4))}


class _Life:
    """A job from its creation to its end, an event a minute, as the rows of the tables that its methods are named by."""

    def __init__(self, number, data, end):
        self.id = data["id"]
        self.data = data
        self.is_active = data["status"] != "SUCCESS"
        self.types = [*_TYPES[:-1], "batch.progress" if self.is_active else _TYPES[-1]]
        if number % STALLS == STALLS - 1:
            self.types[PER_JOB // 2] = "batch.stalled"
        self.seqs = range(number * PER_JOB + 1, (number + 1) * PER_JOB + 1)
        self.at = [data["created_at"] * 1000 + step * 60_000 for step in range(PER_JOB)]
        self.is_told = not self.is_active and self.at[-1] > end - KEPT
        self.is_given_up = number % 100 == 0

    def events(self):
        job_json = msgspec.json.encode(self.data).decode()
        for step, (seq, type_, at) in enumerate(zip(self.seqs, self.types, self.at, strict=True)):
            id_, moment = f"evt_{seq:032x}", iso(at)
            body = (
                f'{{"id":"{id_}","object":"event","type":"{type_}","seq":{seq},"account":"{ACCOUNT}",'
                f'"created_at":{at // 1000},"timestamp":"{moment}","observed_at":"{moment}",'
                f'"changes":{{"completed_requests":[{step},{step + 1}]}},"data":{job_json}}}'
            )
            yield seq, id_, type_, ACCOUNT, self.id, at // 1000, moment, 0, body

    def jobs(self):
        first, last, created = iso(self.at[0]), iso(self.at[-1]), self.data["created_at"]
        job_json = msgspec.json.encode(self.data).decode()
        yield ACCOUNT, self.id, self.data["status"], self.is_active, 0, created, first, last, self.seqs[-1], job_json

    def deliveries(self):
        if self.is_told:
            stream, (seq, type_, at) = f"{ACCOUNT}/{self.id}", (self.seqs[-1], self.types[-1], self.at[-1])
            for each in zip(self.seqs, self.types, self.at, strict=True):
                yield "everything", each[0], stream, each[1], "delivered", 0, each[2], None, each[2]
            came_to = ("dead", 1, at, at, at) if self.is_given_up else ("delivered", 0, at, None, at)
            yield "ends", seq, stream, type_, *came_to
            yield "unreachable", seq, stream, type_, "pending", 1, LATER, at, None

    def attempts(self):
        if self.is_told:
            for seq, at in zip(self.seqs, self.at, strict=True):
                yield "everything", seq, 1, at, at, "delivered", 200, "HTTP 200", "", None
            came_to = ("server", 500, "HTTP 500", "no", None) if self.is_given_up else ("delivered", 200, "HTTP 200", "", None)
            yield "ends", self.seqs[-1], 1, self.at[-1], self.at[-1], *came_to
            yield "unreachable", self.seqs[-1], 1, self.at[-1], self.at[-1], "network", None, "refused", "", None


if __name__ == "__main__":
    write(Path(sys.argv[2]), int(sys.argv[1]))
