"""Owns a stand-in for Slack on loopback: it posts, updates and refuses as Slack does, and keeps what it was sent."""

import json
from contextlib import asynccontextmanager
from inspect import signature
from itertools import count

from slack_rules import refusal
from slack_sdk import WebClient
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from tracker.server.embedded import open_server

TOKEN = "xoxb-canary-token"
SECRET = "/services/T000/B000/canary"
CHANNELS = {"#batches": "C0BATCHES", "C0BATCHES": "C0BATCHES"}

POSTS = set(signature(WebClient.chat_postMessage).parameters)
UPDATES = set(signature(WebClient.chat_update).parameters)
HOOKS = {"text", "blocks", "unfurl_links", "unfurl_media", "mrkdwn", "link_names", "parse"}


class Slack:
    """Channels and their messages. The first of `orders` is the next call's answer, and nothing is done; None lets it pass."""

    def __init__(self):
        self.orders = []
        self.calls = []  # (method, payload), also of those that were refused
        self.messages = {}  # ts: payload, in the order of posting
        self._stamps = count(1)
        routes = [("/api/chat.postMessage", self.post), ("/api/chat.update", self.update), (SECRET, self.hook)]
        self.app = Starlette(routes=[Route(path, handler, methods=["POST"]) for path, handler in routes])

    @property
    def methods(self):
        return [method for method, _ in self.calls]

    def delete(self, ts):
        """As a user does."""
        del self.messages[ts]

    def posted(self):
        """What stands in the channel itself: (ts, payload)."""
        return [(ts, payload) for ts, payload in self.messages.items() if "thread_ts" not in payload]

    def titles(self):
        """The first line of each message that stands in the channel."""
        return [payload["text"].splitlines()[0] for _, payload in self.posted()]

    def thread_of(self, ts):
        return [payload["text"] for payload in self.messages.values() if payload.get("thread_ts") == ts]

    async def post(self, request):
        return await self._answer("chat.postMessage", request, self._post)

    async def update(self, request):
        return await self._answer("chat.update", request, self._update)

    async def hook(self, request):
        payload, ordered = await self._take("hook", request)
        if ordered:
            return ordered
        if not payload.keys() <= HOOKS or refusal(payload):
            return PlainTextResponse("invalid_payload", 400)
        self.messages[self._stamp()] = payload
        return PlainTextResponse("ok")

    async def _answer(self, method, request, act):
        payload, ordered = await self._take(method, request)
        if ordered:
            return ordered
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return error("invalid_auth")
        return act(payload)

    async def _take(self, method, request):
        assert request.headers["content-type"] == "application/json; charset=utf-8"
        payload = json.loads(await request.body())
        self.calls.append((method, payload))
        return payload, self.orders.pop(0) if self.orders else None

    def _post(self, payload):
        if not payload.keys() <= POSTS:
            return error("invalid_arguments")
        if payload.get("channel") not in CHANNELS:
            return error("channel_not_found")
        if "thread_ts" in payload and payload["thread_ts"] not in self.messages:
            return error("thread_not_found")
        return self._keep(payload, self._stamp())

    def _update(self, payload):
        if not payload.keys() <= UPDATES:
            return error("invalid_arguments")
        if payload.get("channel") not in CHANNELS.values():  # an update takes ids alone
            return error("channel_not_found")
        return self._keep(payload, payload["ts"]) if payload["ts"] in self.messages else error("message_not_found")

    def _keep(self, payload, ts):
        if reason := refusal(payload):
            return error(reason)
        self.messages[ts] = payload
        return JSONResponse(
            {"ok": True, "channel": CHANNELS[payload["channel"]], "ts": ts, "message": {"text": payload["text"]}}
        )

    def _stamp(self):
        return f"1750861214.{next(self._stamps):06}"


def error(name, **more):
    """Slack's way to say no: with status 200."""
    return JSONResponse({"ok": False, "error": name} | more)


def slow_down(seconds, status=429):
    """Slack's way to ask for patience; None where it does not say how much."""
    return JSONResponse({"ok": False, "error": "ratelimited"}, status, {} if seconds is None else {"retry-after": seconds})


@asynccontextmanager
async def slack():
    """A Slack at `api` and `hook_url`, while the context lasts."""
    standin = Slack()
    async with open_server(standin.app, "127.0.0.1", 0) as address:
        standin.api, standin.hook_url = f"{address.url}/api", address.url + SECRET
        yield standin
