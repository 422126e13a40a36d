"""A server of canned list pages in a process of its own: `python canned.py JOBS LATENCY` prints its URL and serves.

The jobs never change, so that what is measured is the client.
"""

import json
import sys
import uuid

import anyio

from tracker.serving import serving

PAGE = 100


def job(number):
    """A job as the API sends one today."""
    return {
        "id": str(uuid.UUID(int=number, version=4)), "object": "batch", "input_files": [str(uuid.UUID(int=number))],
        "endpoint": "/v1/chat/completions", "model": "mistral-small-latest", "agent_id": None, "metadata": {"team": "research"},
        "output_file": None, "error_file": None, "errors": [], "outputs": None, "status": "RUNNING",
        "created_at": 1_795_478_400 + number, "started_at": 1_795_478_460 + number, "completed_at": None,
        "total_requests": 1000, "completed_requests": 400, "succeeded_requests": 390, "failed_requests": 10,
    }  # fmt: skip


def pages(jobs):
    """The bodies of all pages of the list."""
    all_jobs = [job(number) for number in range(jobs)]
    return [
        json.dumps({"object": "list", "total": jobs, "data": all_jobs[first : first + PAGE]}).encode()
        for first in range(0, jobs, PAGE)
    ]


async def main(jobs, latency):
    bodies = pages(jobs)

    async def app(scope, _receive, send):
        query = dict(part.split("=", 1) for part in scope["query_string"].decode().split("&"))
        await anyio.sleep(latency)
        body = bodies[int(query["page"])]
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())],
            }
        )
        await send({"type": "http.response.body", "body": body})

    async with serving(app, "127.0.0.1", 0) as address:
        sys.stdout.write(f"{address.url}\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


if __name__ == "__main__":
    anyio.run(main, int(sys.argv[1]), float(sys.argv[2]))
