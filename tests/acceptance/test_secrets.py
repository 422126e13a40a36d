"""No secret is anywhere: canaries in all of them, an API and receivers that quote whatever they are sent, and every surface."""

import base64
import json
import os
import socket
from contextlib import closing, contextmanager

import httpx
import pytest
from matrix import matrix
from starlette.requests import Request
from starlette.responses import Response
from tracking import Installation, simulated

from tracker.server.embedded import open_server

KEY = 'key/canary-alpha+3141"='
TOKEN = "token-canary-bravo-1618"
SLACK_TOKEN = "xoxb-canary-charlie-2236"
SIGNING = base64.b64encode(b"canary-delta-signs-with-24+").decode()
GATEWAY, HOOK_KEY = "gateway-canary-india-2645", "canary-juliet-3317"
USER, PATH, QUERY = "canary-echo:pass-canary-foxtrot", "canary-golf-1414", "canary-hotel-1732"
CANARIES = [
    "canary-alpha", "canary-bravo", "canary-charlie", SIGNING, "canary-delta", "canary-echo", "canary-foxtrot", "canary-golf",
    "canary-hotel", "canary-india", "canary-juliet", base64.b64encode(USER.encode()).decode(),
    base64.b64encode(KEY.encode()).decode().strip("="),
]  # fmt: skip
SURFACES = [
    "/", "/metrics", "/readyz", "/healthz", "/nothing", "/api/jobs", "/api/events", "/api/deliveries", "/api/receivers",
    "/api/accounts", "/api/openapi.json", f"/metrics?token={TOKEN}", "/events", "/receivers", "/receivers/pipeline",
    "/receivers/board", "/receivers/phone", "/accounts", "/login", "/api/overview", "/docs", "/docs/api",
]  # fmt: skip
COMMANDS = [
    "deliveries --json", "check --online", "send-test board", "send-test phone", "send-test pipeline", "send-test team",
]  # fmt: skip
READING = ["events --json", "jobs --json", "check", "verify", "results --json"]
"""They show what the database and the configuration hold, which are searched themselves."""
WITHOUT_A_DAEMON = [
    "wait 11111111-1111-4111-8111-111111111111 --timeout 2s", "download 11111111-1111-4111-8111-111111111111",
    "replay --receiver pipeline --dead", "deliveries", "results",
]  # fmt: skip
RECEIVERS = """
[[receivers]]
name = "pipeline"
kind = "webhook"
url = {{ env = "HOOK" }}
secret = {{ env = "SIGNING" }}
retry = ["0s"]
headers = {{ "X-Hook-Key" = {{ env = "HOOK_KEY" }} }}
[[receivers]]
name = "team"
kind = "slack"
url = {{ env = "HOOK" }}
group_wait = "0s"
retry = ["0s"]
[[receivers]]
name = "board"
kind = "slack"
token = {{ env = "SLACK_TOKEN" }}
channel = "#batches"
api = "{url}/api"
group_wait = "0s"
retry = ["0s"]
[[receivers]]
name = "phone"
kind = "apprise"
url = {{ env = "APPRISE" }}
group_wait = "0s"
retry = ["0s"]
"""
CRASH = """
import pathlib
import sys

async def crashing(self):
    if pathlib.Path("{crash}").exists():
        headers = self.provider._provider._requests._headers
        try:
            raise KeyError(headers)
        except KeyError as error:
            raise ZeroDivisionError(f"asked with {{headers}}") from error
    return await poll_once(self)

if "run" in sys.orig_argv:
    from tracker.polling.poller import Poller
    poll_once, Poller.poll_once = Poller.poll_once, crashing
"""
"""For the daemon alone: to load what polls takes as long as each of the commands."""


async def quote(scope, receive, send):
    """Answer with all that was asked, as some proxies do; as Slack's API, whose errors are a word, within that word."""
    request = Request(scope, receive)
    asked = {"url": str(request.url), "headers": dict(request.headers), "body": (await request.body()).decode()}
    if request.url.path.startswith("/api/"):
        answer = {"ok": False, "error": f"bad {request.headers['authorization']}", "asked": asked}
        await Response(json.dumps(answer), 200)(scope, receive, send)
        return
    status = 400 if "/hook" in request.url.path else 401
    await Response(f"{asked['url']} {asked['headers']} {json.dumps(asked)}", status)(scope, receive, send)


class QuotingApplication:
    """The answers of `app`, each fifth of them an error that quotes the request."""

    def __init__(self, app):
        self._app, self._asked = app, 0

    async def __call__(self, scope, receive, send):
        self._asked += 1
        await (quote if self._asked % 5 == 0 else self._app)(scope, receive, send)


@contextmanager
def notified(path):
    """A socket as systemd has it; what it was sent."""
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as bound:
        bound.bind(str(path))
        bound.settimeout(0)
        sent = []
        yield sent
        while True:
            try:
                sent.append(bound.recv(65536).decode())
            except BlockingIOError:
                break


def leaks(surfaces):
    return [(name, canary) for name, text in surfaces.items() for canary in CANARIES if canary in text]


@pytest.mark.parametrize("commands", matrix([COMMANDS, [*READING, *COMMANDS]]), ids=["those that ask and send", "all"])
async def test_no_secret_is_anywhere(tmp_path, commands):
    """Log, metrics, page, API, commands, database, backup, systemd's status and the traceback of a crash hold no canary."""
    surfaces = {}
    async with (
        simulated(jobs=40, api_keys=(KEY,)) as simulator,
        open_server(quote, "127.0.0.1", 0) as receiver,
        open_server(QuotingApplication(simulator.app), "127.0.0.1", 0) as api,
    ):
        installation = _installed(tmp_path, api.url, receiver.url)
        with notified(tmp_path / "notify") as sent:
            async with installation.running("--verbose") as daemon:
                await _everything_happened(installation, daemon)
                async with httpx.AsyncClient(base_url=daemon.url) as client:
                    surfaces |= await _answers(client)
                for command in [*commands, f"backup {tmp_path / 'backup.db'}"]:
                    done = await installation.command(*command.split())
                    surfaces[command] = done.stdout + done.stderr
                surfaces["arguments"] = (tmp_path / f"/proc/{daemon.process.pid}/cmdline").read_text()
                (tmp_path / "crash").touch()
                await daemon.says("process.crashed")
                assert await daemon.process.wait() == 1
        for command in WITHOUT_A_DAEMON:
            done = await installation.command(*command.split())
            surfaces[command] = done.stdout + done.stderr
    surfaces["log"] = json.dumps(daemon.lines)
    surfaces["status"] = "".join(sent)
    for file in [*tmp_path.glob("tracker.db*"), tmp_path / "backup.db"]:
        surfaces[file.name] = file.read_bytes().decode("latin-1")
    assert "ZeroDivisionError: asked with" in daemon.lines[-1]["exception"]
    assert "[redacted]" in surfaces["log"]
    assert "tracker" in surfaces["arguments"]
    assert "STATUS=" in surfaces["status"]
    assert "[redacted]" in surfaces["deliveries --json"]
    assert leaks(surfaces) == []


async def _answers(client):
    """All that is answered to who has no token, to who has it, and to who logs in with it."""
    answers = {}
    for who in ({}, {"authorization": f"Bearer {TOKEN}"}):
        answers |= {f"{path} {who}": await client.get(path, headers=who) for path in SURFACES}
    for token in ("wrong", TOKEN):
        answers[f"login as {token}"] = await client.post("/login", data={"token": token})
    assert answers[f"login as {TOKEN}"].status_code == 303
    html = {"accept": "text/html"}
    answers |= {f"{path} logged in": await client.get(path, headers=html) for path in SURFACES}
    assert answers["/receivers/board logged in"].status_code == 200
    async with client.stream("GET", "/api/stream?after=0", headers={"authorization": f"Bearer {TOKEN}"}) as stream:
        streamed = ""
        async for text in stream.aiter_text():
            streamed += text
            if streamed.count("event: batch.") > 20:
                break
    return {"stream": streamed, **{name: f"{answer.headers} {answer.text}" for name, answer in answers.items()}}


def _installed(folder, api, receiver):
    installation = Installation(folder, api)
    text = installation.config.read_text()
    listen = 'listen = "127.0.0.1:0"\n'
    assert listen in text
    header = 'headers = { "X-Gateway-Key" = { env = "GATEWAY" } }\n'
    settings = text.replace(listen, listen + 'token = { env = "TOKEN" }\n') + header + RECEIVERS.format(url=receiver)
    installation.config.write_text(settings)
    (folder / "sitecustomize.py").write_text(CRASH.format(crash=folder / "crash"))
    installation.environment |= {
        "MISTRAL_API_KEY": KEY,
        "TOKEN": TOKEN,
        "GATEWAY": GATEWAY,
        "HOOK_KEY": HOOK_KEY,
        "SLACK_TOKEN": SLACK_TOKEN,
        "SIGNING": f"whsec_{SIGNING}",
        "HOOK": receiver.replace("://", f"://{USER}@") + f"/hook/{PATH}?key={QUERY}",
        "APPRISE": receiver.replace("http://", f"json://{USER}@") + f"/hook/{PATH}?-key={QUERY}",
        "NOTIFY_SOCKET": str(folder / "notify"),
        "PYTHONPATH": os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
    }
    return installation


async def _everything_happened(installation, daemon):
    """A failed sweep, and for each receiver a refused delivery."""
    await daemon.says("sweep.failed")
    for receiver in ("pipeline", "team", "board", "phone"):
        await daemon.says("delivery.failed", receiver=receiver)
    await installation.wait_for_events(lambda events: len(events) > 20)
