"""A server of canned jobs in a process of its own, see `apart`: `python canned.py JOBS LATENCY` prints its URL and serves.

What is measured is the client: the pages are made before they are asked for. Of each hundred jobs one moves on at each GET of
/round, so that two ways of asking can be given the same to find. /hook takes webhooks.
"""

import json
import sys
import uuid
from contextlib import asynccontextmanager
from functools import cache

import anyio

from tracker.server.embedded import open_server

PAGE = 100
FIRST = 1_795_478_400
LIST = "/v1/batch/jobs"


def job(number, rounds=0):
    """A job as the API sends one today, after it has advanced that many times."""
    return {
        "id": str(uuid.UUID(int=number, version=4)), "object": "batch", "input_files": [str(uuid.UUID(int=number))],
        "endpoint": "/v1/chat/completions", "model": "mistral-small-latest", "agent_id": None, "metadata": {"team": "research"},
        "output_file": None, "error_file": None, "errors": [], "outputs": None, "status": "RUNNING",
        "created_at": FIRST + number, "started_at": FIRST + 60 + number, "completed_at": None,
        "total_requests": 1000, "completed_requests": 400 + rounds, "succeeded_requests": 390 + rounds, "failed_requests": 10,
    }  # fmt: skip


def page(jobs, first, rounds=0):
    """The body of the page that begins with the job `first`, of which the first has moved on."""
    data = [job(number, rounds if number == first else 0) for number in range(first, min(first + PAGE, jobs))]
    return json.dumps({"object": "list", "total": jobs, "data": data}).encode()


def pages(jobs):
    """The bodies of all pages of the list."""
    return [page(jobs, first) for first in range(0, jobs, PAGE)]


class Canned:
    def __init__(self, jobs, latency):
        self.latency = latency
        self.jobs = jobs
        self.bodies = pages(jobs)
        self.rounds = 0
        self.one = cache(lambda number: json.dumps(job(number)).encode())

    async def app(self, scope, _receive, send):
        body = self.answer(scope["path"], scope["query_string"].decode())
        await anyio.sleep(self.latency)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def answer(self, path, query):
        if path == "/round":
            self.rounds += 1
            self.bodies = [page(self.jobs, first, self.rounds) for first in range(0, self.jobs, PAGE)]
            return b"{}"
        if path == "/hook":
            return b""
        if path == LIST:
            number = int(dict(part.split("=", 1) for part in query.split("&"))["page"])
            return self.bodies[number] if number < len(self.bodies) else page(self.jobs, self.jobs)
        return self.one(uuid.UUID(path.rpartition("/")[2]).int & 0xFFFFFFFF)


@asynccontextmanager
async def apart(jobs, latency=0.0):
    """The URL of a server of this number of jobs, which lives as long as the context."""
    async with await anyio.open_process([sys.executable, __file__, str(jobs), str(latency)], stderr=None) as server:
        try:
            yield (await server.stdout.receive()).decode().strip()
        finally:
            server.kill()


async def main(jobs, latency):
    async with open_server(Canned(jobs, latency).app, "127.0.0.1", 0) as address:
        sys.stdout.write(f"{address.url}\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]), float(sys.argv[2]))
