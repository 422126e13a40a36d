"""The storage engines that the conformance suite runs on: each a place with a store to write to and a log to read."""

import json

from tracker.core.queries.filters import EventFilter
from tracker.store.opening import open_reader, open_store


class Sqlite:
    def __init__(self, directory):
        self.path = directory / "tracker.db"

    def store(self):
        return open_store(self.path)

    async def log(self):
        """Every event, decoded, as another connection sees it."""
        async with open_reader(self.path) as reader:
            return [json.loads(body) for _, body in await reader.events(0, EventFilter(), limit=-1)]

    async def jobs(self):
        """Every job by account and id, as another connection sees it."""
        async with open_reader(self.path) as reader:
            return {(job["account"], job["id"]): job for job in await reader.jobs()}


ENGINES = {"sqlite": Sqlite}
