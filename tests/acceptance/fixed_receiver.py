"""A receiver on loopback that gives one answer, and an installation that has it; what it is sent is kept."""

import json
from contextlib import asynccontextmanager

import anyio
from starlette.requests import Request
from starlette.responses import Response
from tracking import Installation

from tracker.server.embedded import open_server

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PATH = "/hooks/canary-path-2718"


class FixedReceiver:
    """Answers every request with `status`, `body` and `headers`, whatever they are at the time."""

    def __init__(self, status, body, headers):
        self.status, self.body, self.headers = status, body, headers
        self.got = []
        self._arrived = anyio.Event()

    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        self.got.append((request.url.path, dict(request.headers), await request.body()))
        self._arrived.set()
        self._arrived = anyio.Event()
        await Response(self.body, self.status, self.headers)(scope, receive, send)

    async def wait_for(self, count):
        """The events that came, once they are `count`."""
        with anyio.fail_after(30):
            while len(self.got) < count:
                await self._arrived.wait()
        return [json.loads(body) for _, _, body in self.got]


@asynccontextmanager
async def answering(status=204, body=b"", **headers):
    app = FixedReceiver(status, body, headers)
    async with open_server(app, "127.0.0.1", 0) as address:
        app.url = address.url
        yield app


def installed(folder, **urls):
    """An installation whose receivers are webhooks at these URLs, with an unreachable API."""
    installation = Installation(folder, "http://127.0.0.1:1", poll_interval="1h", requests_per_second=1000)
    installation.environment["SECRET"] = SECRET
    with installation.config.open("a") as config:
        for name, url in urls.items():
            installation.environment[f"{name.upper()}_URL"] = url + PATH
            config.write(
                f'[[receivers]]\nname = "{name}"\nkind = "webhook"\nurl = {{ env = "{name.upper()}_URL" }}\n'
                'secret = { env = "SECRET" }\nretry = ["1h"]\ntimeout = "5s"\n'
            )
    return installation
