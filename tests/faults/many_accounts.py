"""Owns a crowd: an API of many accounts and jobs whose answers cost next to nothing, and an installation that watches them."""

import json
import time
from collections import Counter
from datetime import datetime
from urllib.parse import parse_qs
from uuid import UUID

from starlette.responses import Response
from tracking import Installation

BEGAN = 1_795_000_000
FIRST, LAST = b'"status":"RUNNING","completed_at":null,', b'"status":"SUCCESS","completed_at":1795400000,'


class Crowd:
    """`jobs` run for each of `accounts`; all of them have completed `done` requests, or as many as seconds have passed.

    What is POSTed is counted by its path in `got`. A job is over once its number is below `over`.
    """

    def __init__(self, accounts: int, jobs: int) -> None:
        self.jobs = jobs
        self.accounts = [f"account-{number}" for number in range(accounts)]
        self.done = 1
        self.over = 0
        self.got: Counter[str] = Counter()
        self.by_the_second: float | None = None
        self._parts = {account: [_parts(at, number) for number in range(jobs)] for at, account in enumerate(self.accounts)}

    async def __call__(self, scope, receive, send) -> None:
        if scope["method"] == "POST":
            while (await receive()).get("more_body"):
                pass
            self.got[scope["path"]] += 1
            await Response(status_code=204)(scope, receive, send)
            return
        body = self._page(scope["path"].split("/")[1], parse_qs(scope["query_string"].decode()))
        await Response(body, media_type="application/json")(scope, receive, send)

    def _page(self, account: str, query: dict[str, list[str]]) -> bytes:
        parts = self._parts[account]
        after = query.get("created_after", ["1970-01-01T00:00:00Z"])[0]
        first = max(0, _seconds(after) - BEGAN + 1)
        statuses = query.get("status", ["RUNNING", "SUCCESS"])
        numbers = range(
            max(first, 0 if "SUCCESS" in statuses else self.over), self.jobs if "RUNNING" in statuses else self.over
        )
        size = int(query["page_size"][0])
        shown = numbers[int(query["page"][0]) * size :][:size]
        done = self.done if self.by_the_second is None else int(time.monotonic() - self.by_the_second)
        counters = b'"completed_requests":%d,"succeeded_requests":%d}' % (done, done)
        jobs = b",".join([parts[number] + (LAST if number < self.over else FIRST) + counters for number in shown])
        return b'{"object":"list","total":%d,"data":[%s]}' % (len(numbers), jobs)


def _seconds(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp())


def _parts(account: int, number: int) -> bytes:
    """A job but for what changes."""
    job = {
        "id": str(UUID(int=account << 64 | number, version=4)), "object": "batch", "input_files": ["file"],
        "endpoint": "/v1/chat/completions", "model": "mistral-small-latest", "metadata": {"team": "research"},
        "output_file": None, "error_file": None, "created_at": BEGAN + number, "started_at": BEGAN + number,
        "total_requests": 1_000_000, "failed_requests": 0,
    }  # fmt: skip
    return json.dumps(job).encode()[:-1] + b","


def installed(folder, crowd: Crowd, url: str, receivers: int, **account) -> Installation:
    """Each account, and this number of receivers, each of which gets the ends of one account, in turn."""
    settings = {"poll_interval": "500ms", "requests_per_second": 1000, "request_timeout": "60s"}
    settings |= {"timeout_hours": 8784, "stalled_after": "3650d"} | account  # or each job would be reported as late, too
    installation = Installation(folder, url)
    head = installation.config.read_text().partition("[[accounts]]")[0]
    for each in crowd.accounts:
        head += f'[[accounts]]\nname = "{each}"\napi_key = {{ env = "MISTRAL_API_KEY" }}\nbase_url = "{url}/{each}"\n'
        head += "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())
    for number in range(receivers):
        of = crowd.accounts[number % len(crowd.accounts)]
        head += (
            f'[[receivers]]\nname = "r{number}"\nkind = "webhook"\nurl = "{url}/r{number}"\nmatch = {{ account = "{of}" }}\n'
        )
    installation.config.write_text(head)
    return installation
