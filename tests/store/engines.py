"""The storage engines that the conformance suite runs on: each a place with a store to write to and a log to read.

Everything that knows one engine from another is here: a second engine is a second class, and its line in `ENGINES`.
"""

import json

from empty_database import put_empty_database

from tracker.core.queries.filters import EventFilter
from tracker.store.address import PostgresAddress
from tracker.store.opening import open_reader, open_reader_pool, open_statistics, open_store
from tracker.store.postgres.writing.store import open_postgres_store
from tracker.store.records import delivery_pages, event_pages, job_pages


class Engine:
    address = None
    smallest_page = 1
    """Entries of the smallest pages that a whole log is read in."""

    def store(self, subscriptions=(), **observers):
        return open_store(self.address, subscriptions, **observers)

    def reader(self):
        return open_reader(self.address)

    def pool(self, *limits):
        return open_reader_pool(self.address, *limits)

    def statistics(self):
        return open_statistics(self.address)

    async def log(self):
        """Every event, decoded, as another connection sees it."""
        async with self.reader() as reader:
            return [json.loads(body) for _, body in await reader.events(0, EventFilter(), limit=-1)]

    async def jobs(self):
        """Every job by account and id, as another connection sees it."""
        async with self.reader() as reader:
            return {(job["account"], job["id"]): job for job in await reader.jobs()}

    @staticmethod
    def bound_pages(monkeypatch, **bounds):
        """Lower what one page may read: rows `skipped` and `decoded`, rows of a `batch`, `characters` of the page."""
        names = {
            "skipped": "MAX_ROWS_SKIPPED",
            "decoded": "MAX_ROWS_DECODED",
            "batch": "_BATCH_SIZE",
            "characters": "MAX_PAGE_CHARACTERS",
        }
        for bound, value in bounds.items():
            for module in (delivery_pages, event_pages, job_pages):
                if hasattr(module, names[bound]):
                    monkeypatch.setattr(module, names[bound], value)
            if bound == "batch":
                monkeypatch.setattr(event_pages, "_DECODED_BATCH_SIZE", value)


class Sqlite(Engine):
    def __init__(self, directory):
        self.path = self.address = directory / "tracker.db"

    @classmethod
    def made(cls, request):
        engine = cls(request.getfixturevalue("tmp_path"))
        put_empty_database(engine.path)
        return engine

    @classmethod
    def made_for_module(cls, request):
        return cls(request.getfixturevalue("tmp_path_factory").mktemp("module"))


class Postgres(Engine):
    """A store that has joined no replicas: nothing changes hands."""

    smallest_page = 5  # each takes some round trips, and what cuts pages is SQLite's code too

    def __init__(self, address):
        self.address = address

    @classmethod
    def made(cls, request):
        return cls(request.getfixturevalue("postgres_address"))

    @classmethod
    def made_for_module(cls, request):
        server = request.getfixturevalue("postgres_server")
        database = server.create_database(request.getfixturevalue("migrated_template"))
        return cls(PostgresAddress(url=server.url(database), replica="test"))

    def store(self, subscriptions=(), **observers):
        return open_postgres_store(self.address, subscriptions, **observers)


ENGINES = {"sqlite": Sqlite, "postgres": Postgres}
