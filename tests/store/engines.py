"""The storage engines that the conformance suite runs on: each a place with a store to write to and a log to read.

Everything that knows one engine from another is here: a second engine is a second class, and its line in `ENGINES`.
"""

import json

from tracker.core.queries.filters import EventFilter
from tracker.store.opening import open_reader, open_reader_pool, open_statistics, open_store
from tracker.store.sqlite.reading import deliveries, events, jobs


class Sqlite:
    def __init__(self, directory):
        self.path = directory / "tracker.db"

    def store(self, subscriptions=(), **observers):
        return open_store(self.path, subscriptions, **observers)

    def reader(self):
        return open_reader(self.path)

    def pool(self, *limits):
        return open_reader_pool(self.path, *limits)

    def statistics(self):
        return open_statistics(self.path)

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
            for module in (deliveries, events, jobs):
                if hasattr(module, names[bound]):
                    monkeypatch.setattr(module, names[bound], value)


ENGINES = {"sqlite": Sqlite}
