"""Owns the collection of the statements that read over SQLite."""

from typing import Final

from tracker.store.records.orphaned_deliveries_and_jobs import OrphanStatements
from tracker.store.records.querying_reader import ReadStatements
from tracker.store.sqlite.reading.delivery_statements import DELIVERIES
from tracker.store.sqlite.reading.event_statements import EVENTS
from tracker.store.sqlite.reading.job_statements import JOBS
from tracker.store.sqlite.reading.name_statements import NAMES
from tracker.store.sqlite.reading.overview_statements import OVERVIEW
from tracker.store.sqlite.reading.result_statements import RESULTS
from tracker.store.sqlite.reading.silence_statements import SILENCES

ORPHANS: Final = OrphanStatements(
    receivers=NAMES.receivers,
    deliveries=DELIVERIES,
    jobs="SELECT account, status, jobs FROM job_counts WHERE deleted = 0 AND jobs > 0",
)

STATEMENTS: Final = ReadStatements(
    events=EVENTS,
    jobs=JOBS,
    deliveries=DELIVERIES,
    results=RESULTS,
    silences=SILENCES,
    names=NAMES,
    orphans=ORPHANS,
    job_counts="SELECT account, status, deleted, jobs FROM job_counts WHERE jobs > 0",
    overview=OVERVIEW,
    last_sweep="SELECT max(swept_at) FROM accounts",
)
