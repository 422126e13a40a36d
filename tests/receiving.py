"""A loopback receiver that answers as a test sets it, and keeps what it was sent."""

import json
from contextlib import asynccontextmanager

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from tracker.server.embedded import open_server


class Receiver:
    """`answers` decides: a function from the number of the request (from 0) and its event to a status or a Response."""

    def __init__(self, answers=lambda _number, _event: 200):
        self.answers = answers
        self.got = []
        self.bodies = []
        self.headers = []
        self._arrived = anyio.Event()

    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        try:
            body = await request.body()
        except ClientDisconnect:
            return
        number = len(self.got)
        event = json.loads(body)
        self.got.append(event)
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        self._arrived.set()
        self._arrived = anyio.Event()
        answer = self.answers(number, event)
        if not isinstance(answer, int | Response):
            answer = await answer
        await (Response(status_code=answer) if isinstance(answer, int) else answer)(scope, receive, send)

    async def wait_for(self, count, seconds=30):
        """Until `count` requests have come."""
        with anyio.fail_after(seconds):
            while len(self.got) < count:
                await self._arrived.wait()


@asynccontextmanager
async def receiving(answers=lambda _number, _event: 200):
    receiver = Receiver(answers)
    async with open_server(receiver, "127.0.0.1", 0) as address:
        receiver.url = address.url + "/hook"
        yield receiver
