"""Owns a receiver on loopback that keeps what it was sent, to the byte, and the receivers that an installation is given."""

import json
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tracker.server.embedded import open_server

ENDS = ("batch.completed", "batch.failed", "batch.expired", "batch.cancelled")


class RecordingReceiver:
    """Keeps the id and the bytes of each request that it has read whole, and answers with `status`, whatever it is then."""

    def __init__(self, name="everything", events=("*",), model="*"):
        self.name, self.events, self.model = name, events, model
        self.status = 204
        self.got = []
        self.url = ""
        self.answers = anyio.Event()  # as soon as it is set
        self.answers.set()
        self._arrived = anyio.Event()

    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        try:
            self.keep(request.headers, await request.body())
        except ClientDisconnect:
            return
        self._arrived.set()
        self._arrived = anyio.Event()
        await self.answers.wait()
        await Response(status_code=self.status)(scope, receive, send)

    def keep(self, headers, body):
        self.got.append((headers["webhook-id"], body))

    @asynccontextmanager
    async def serving(self):
        async with open_server(self, "127.0.0.1", 0) as address:
            self.url = address.url + "/hook"
            yield self

    @property
    def ids(self):
        return [id_ for id_, _ in self.got]

    def wants(self, event):
        """Whether the event is for this receiver, by words of its own."""
        return any(fnmatchcase(event["type"], glob) for glob in self.events) and fnmatchcase(
            event["data"].get("model") or "", self.model
        )

    async def reads(self, more=1, seconds=60):
        """Until `more` further requests have come."""
        wanted = len(self.got) + more
        with anyio.fail_after(seconds):
            while len(self.got) < wanted:
                await self._arrived.wait()


def give(installation, *recorders, retry=("100ms",) * 60, **settings):
    """Add the receivers to the installation's configuration; their retries come soon and often."""
    with installation.config.open("a") as config:
        for recorder in recorders:
            lines = {"name": recorder.name, "kind": "webhook", "url": recorder.url, "events": recorder.events, "retry": retry}
            config.write("[[receivers]]\n")
            config.writelines(f"{key} = {json.dumps(value)}\n" for key, value in (lines | settings).items())
            if recorder.model != "*":
                config.write(f'match = {{ model = "{recorder.model}" }}\n')
