"""Owns the jobs and the sweeps that the tests of the core are made of."""

import json
from pathlib import Path

import msgspec
from jsonschema import Draft202012Validator, FormatChecker

from tracker.core.events.job_diff import Known
from tracker.core.jobs.job import Job
from tracker.core.jobs.job_reading import read_job
from tracker.core.ports.store import Checkpoint
from tracker.core.reconciliation.reconcile import EMPTY_MEMORY, Reconciliation

NOW = 1_750_861_214_312
"""Unix milliseconds: 2025-06-25T14:20:14.312Z."""

SCHEMA = json.loads((Path(__file__).parent.parent / "data" / "batch_job.schema.json").read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker())

ANSWER = {
    "id": "5e8e2a1c-0a6c-4a5c-9a77-0d0b6a1f3c11",
    "object": "batch",
    "input_files": ["1b2f7a52-63a6-4bb0-8ad8-7a2f5d1f0a01", "1b2f7a52-63a6-4bb0-8ad8-7a2f5d1f0a02"],
    "endpoint": "/v1/chat/completions",
    "model": "mistral-small-latest",
    "output_file": "9c0a6c39-7a36-4c28-93a5-0e3b1e2d4f10",
    "error_file": "9c0a6c39-7a36-4c28-93a5-0e3b1e2d4f11",
    "status": "RUNNING",
    "created_at": 1_750_850_000,
    "started_at": 1_750_850_060,
    "completed_at": 1_750_861_210,
    "metadata": {"team": "research", "run": "7"},
    "total_requests": 1000,
    "completed_requests": 900,
    "succeeded_requests": 880,
    "failed_requests": 20,
}
"""A job as the API sends it, every property of the schema in the schema's order."""

ABSENT = object()
"""The value of a property that is to be left out."""


def answer(**changed):
    """`ANSWER` with some properties changed, added or ABSENT."""
    return {name: value for name, value in (ANSWER | changed).items() if value is not ABSENT}


def body(**changed):
    """`answer` as bytes."""
    return json.dumps(answer(**changed)).encode()


def job(**changed):
    """`answer` as a Job."""
    read = read_job(answer(**changed))
    assert isinstance(read, Job), read
    return read


WINDOW = ANSWER["created_at"] - 3600
"""From which creation time on `CHECKPOINT` is read."""

CHECKPOINT = Checkpoint(since=NOW - 86_400_000, horizon=WINDOW - 86_400, watermark=ANSWER["created_at"])
"""An account that was read whole before."""


class Sweeps:
    """Sweeps over one account, one after the other, and the log that they leave."""

    def __init__(self, *jobs, deleted=False, every=15_000, **options):
        """`every` is how many milliseconds a sweep comes after the one before; `options` are those of `Reconciliation`."""
        self.known = {each.id: Known(each, deleted) for each in jobs}
        self.memory = EMPTY_MEMORY
        self.now = NOW
        self.every = every
        self.options = options

    def __call__(self, *pages, missing=()):
        """Reconciliation over pages of jobs and get the types of the events; `missing` are ids that were answered 404."""
        self.now += self.every
        sweep, self.log = Reconciliation("default", CHECKPOINT, WINDOW, self.memory, **self.options), []
        for page in pages:
            self.record(sweep.observe(page, self.known, self.now))
        for id_ in missing:
            sweep.record_missing(id_)
        self.suspicion = sweep.suspicion()
        changes, self.memory = sweep.conclude(self.known, self.now)
        self.record(changes)
        self.stale = sweep.stale
        return [event.type for event in self.log]

    @property
    def doubts(self):
        """What the last sweep left to the next, but for the jobs that it has shown."""
        return msgspec.structs.replace(self.memory, witnesses=frozenset(), strangers=frozenset())

    def state(self, id_):
        """What is known of a job, but for when it was logged."""
        known = self.known[id_]
        return Known(known.job, known.deleted)

    def record(self, changes):
        for change in changes:
            self.known[change.known.job.id] = change.known
            self.log += change.events

    def restart(self):
        self.memory = EMPTY_MEMORY
