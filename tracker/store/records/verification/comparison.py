"""Owns comparing the tables with the log: every job and every outcome of archiving by its events, and the counts of jobs."""

from collections.abc import Callable, Iterable, Iterator
from operator import itemgetter
from typing import Any, Final

import msgspec

from tracker.store.database_file_reports import Verification
from tracker.store.records.verification.log_rebuilder import LogRebuilder, RebuiltJob
from tracker.store.records.verification.result_differences import missing_result, result_differences, unexpected_task
from tracker.store.records.verification.row import Row

EVENTS: Final = """
SELECT e.seq, e.id, e.type, e.account, e.job, e.created_at, e.observed_at, e.body, e.base, base.body AS base_body
FROM events AS e LEFT JOIN events AS base ON base.seq = e.base ORDER BY e.seq"""

JOBS: Final = "SELECT account, id, status, active, deleted, created_at, first_seen_at, observed_at, seq, data FROM jobs"

RESULTS: Final = "SELECT account, job, archived_at, data FROM results"

UNEXPECTED_TASKS: Final = """
SELECT account, job FROM archive_tasks AS t WHERE NOT EXISTS (
  SELECT 1 FROM jobs WHERE account = t.account AND id = t.job AND NOT active AND NOT deleted) ORDER BY account, job"""

MISCOUNTED: Final = """
SELECT account, status, deleted, sum(counted) AS counted, sum(there) AS there FROM (
  SELECT account, status, deleted, jobs AS counted, 0 AS there FROM job_counts
  UNION ALL SELECT account, status, deleted, 0, count(*) FROM jobs GROUP BY account, status, deleted) AS both_ways
GROUP BY account, status, deleted HAVING sum(counted) <> sum(there) ORDER BY account, status, deleted"""


class Comparison:
    """Takes the rows of one moment and keeps the differences between the log and the tables. `close` it in the end."""

    def __init__(self) -> None:
        self._log = LogRebuilder()
        self._contradictions: list[str] = []
        self._differences: list[tuple[tuple[str, str], str]] = []
        """Each with its job: they come in any order."""
        self._others: list[str] = []
        self._jobs = 0

    def steps(self) -> Iterator[tuple[str, Callable[[Row], None]]]:
        """Statements, and what takes each row of theirs; in this order."""
        yield EVENTS, self.add_event
        yield JOBS, self._add_job
        yield RESULTS, self._add_result
        yield UNEXPECTED_TASKS, lambda row: self._others.append(unexpected_task(row))
        yield MISCOUNTED, lambda row: self._others.append(_miscounted(row))

    def add_event(self, row: Row) -> None:
        """Take the next event of the log, a row as `EVENTS` selects it."""
        self._contradictions += self._log.add(row)

    def end(self, differences: Iterable[str] = ()) -> Verification:
        """The report, with the `differences` that the engine has found itself."""
        for (account, id_), rebuilt in self._log.jobs.items():
            self._contradictions += self._log.end_of_job(id_, rebuilt)
            self._differences.append(((account, id_), f"account {account}, job {id_}: the log has it, the table lacks it"))
        self._differences += ((key, missing_result(*key)) for key, _ in self._log.results.items())
        by_job = [difference for _, difference in sorted(self._differences, key=itemgetter(0))]
        return Verification(self._log.events, self._jobs, (*self._contradictions, *differences, *by_job, *self._others))

    def close(self) -> None:
        self._log.close()

    def _add_job(self, row: Row) -> None:
        self._jobs += 1
        key = row["account"], row["id"]
        rebuilt = self._log.jobs.pop(key)
        if rebuilt:
            self._contradictions += self._log.end_of_job(row["id"], rebuilt)
        self._differences += ((key, difference) for difference in _differences(row, rebuilt))

    def _add_result(self, row: Row) -> None:
        key = row["account"], row["job"]
        self._differences += ((key, difference) for difference in result_differences(row, self._log.results.pop(key)))


def _differences(row: Row, rebuilt: RebuiltJob | None) -> Iterator[str]:
    where = f"account {row['account']}, job {row['id']}"
    if rebuilt is None:
        yield f"{where}: the log lacks it, the table has it"
        return
    for name, expected in rebuilt.columns().items():
        found = _decoded(row[name]) if name == "data" else row[name]
        if expected != found:
            yield f"{where}: {name}: the log says {expected!r}, the table says {found!r}"


def _miscounted(row: Row) -> str:
    which = f"{row['status']}{', deleted' if row['deleted'] else ''}"
    return f"account {row['account']}, jobs that are {which}: {row['counted']} counted, {row['there']} there"


def _decoded(data: str) -> Any:
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return data
