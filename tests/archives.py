"""Owns an installation that archives what a simulated API has, and what must hold of its archive whatever has happened."""

import hashlib
import json
import sqlite3
import stat
from collections import Counter
from contextlib import closing

import zstandard
from tracking import Installation

from tracker.simulator.files.job_files import content_of


class Archiving(Installation):
    """Archives below `root`, and logs at any level."""

    def __init__(self, folder, api, *, results="", **account):
        super().__init__(folder, api, **account)
        self.root = folder / "results"
        self.config.write_text(f'{self.config.read_text()}[results]\narchive = "{self.root}"\nmin_free = "1MB"\n{results}')

    def recorded(self):
        """What is recorded of each job's results, by its id; nothing before there is a database."""
        return {job: json.loads(data) for job, data in self._rows("SELECT job, data FROM results")}

    def tasks(self):
        """The ids of the jobs that are still to be archived."""
        return [job for (job,) in self._rows("SELECT job FROM archive_tasks")]

    def archived_events(self):
        return [json.loads(body) for (body,) in self._rows("SELECT body FROM events WHERE type = 'batch.archived'")]

    def _rows(self, sql):
        if not self.database.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall() if _has_results(connection) else []

    async def wait_for_results(self, jobs, seconds=60):
        """Wait until each of `jobs` has results: all events of the log by then."""
        ended = {"batch.archived", "batch.results_gone"}
        return await self.wait_for_events(
            lambda events: {event["data"]["id"] for event in events if event["type"] in ended} >= set(jobs), seconds
        )

    def files(self):
        """The files of the archive, by their location."""
        return {f"file://{path}": path for path in self.root.rglob("*") if path.is_file()}

    def check(self, *, is_over):
        """Each recorded file is there, whole, with its digest, for its owner alone; where all `is_over`, no other file is."""
        files, recorded = self.files(), self.recorded()
        locations = Counter(file["location"] for results in recorded.values() for file in results["files"])
        assert set(locations) <= files.keys(), "recorded, but not there"
        assert set(locations.values()) <= {1}, "one place for two files"
        for results in recorded.values():
            for file in results["files"]:
                content = read(files[file["location"]])
                assert (len(content), hashlib.sha256(content).hexdigest()) == (file["bytes"], file["sha256"])
        for path in (self.root, *self.root.rglob("*")) if self.root.exists() else ():
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
        archived = Counter(
            (event["data"]["id"], file["file_id"]) for event in self.archived_events() for file in event["files"]
        )
        assert set(archived.values()) <= {1}, "archived twice"
        if is_over:
            assert self.tasks() == []
            assert files.keys() == set(locations), "there, but not recorded"

    def check_against(self, simulator):
        """Each recorded file is what the simulated API has, to the byte."""
        for id_, results in self.recorded().items():
            for file in results["files"]:
                whole = content_of(simulator.workspace.plans[id_], file["kind"])
                digest = hashlib.sha256(b"".join(whole.chunks(0, whole.size)))
                assert (file["bytes"], file["sha256"]) == (whole.size, digest.hexdigest()), (id_, file["kind"])


def read(path):
    data = path.read_bytes()
    return zstandard.ZstdDecompressor().stream_reader(data).read() if path.suffix == ".zst" else data


def _has_results(connection):
    return connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'archive_tasks'").fetchone()
