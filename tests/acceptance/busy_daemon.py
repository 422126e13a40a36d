"""A busy daemon beside a simulated API, receivers that take and refuse, and the Prometheus and Alertmanager that watch it."""

import json
import re
import socket
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import httpx
import yaml
from fixed_receiver import SECRET, answering
from programs import program
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from tracking import Installation, clock, simulated

from tracker.server.embedded import open_server
from tracker.simulator.faults.fault_options import Fault, Faults
from tracker.simulator.faults.job_and_file_faults import with_fault
from tracker.simulator.job_timeline import JobPlan

SHIPPED = Path(__file__).parents[2] / "deploy" / "prometheus"
TOKEN = "canary-token-1618"
KEY = "canary-key-3141"
FOREVER = 10_000.0
"""Seconds; longer than any test."""


async def picky(scope: Scope, receive: Receive, send: Send) -> None:
    """Takes everything but that a job is completed."""
    event = await Request(scope, receive).json()
    await Response(status_code=400 if event["type"] == "batch.completed" else 204)(scope, receive, send)


RESULTS = """
[results]
archive = "{folder}"
min_free = "0B"
[[prices]]
model = "*"
input = 0.05
output = 0.15
pages = 0.5
currency = "EUR"
"""

RECEIVERS = {
    "pipeline": Response(status_code=204),
    "picky": picky,
    "broken": Response(status_code=500),
    "gone": Response(status_code=410),
}
"""Applications that receive every event."""


class SweepWorld:
    """What there is to look at: the daemon's page, Prometheus, and what Alertmanager has posted."""

    def __init__(self, daemon: str, prometheus: str, posted: "AlertInbox") -> None:
        self.daemon = daemon
        self.prometheus = prometheus
        self.posted = posted
        self.http = httpx.AsyncClient(trust_env=False, timeout=20)

    async def page(self) -> str:
        answer = await self.http.get(self.daemon + "/metrics", headers={"authorization": f"Bearer {TOKEN}"})
        return answer.raise_for_status().text

    async def query(self, expr: str) -> list[dict]:
        """The series that `expr` gives now."""
        answer = await self.http.post(self.prometheus + "/api/v1/query", data={"query": expr})
        assert answer.status_code == 200, (expr, answer.text)
        return answer.json()["data"]["result"]

    async def exemplars(self, metric: str) -> list[dict]:
        """The series of a metric that have exemplars, and these."""
        span = {"query": metric, "start": time.time() - 600, "end": time.time() + 600}
        answer = await self.http.post(self.prometheus + "/api/v1/query_exemplars", data=span)
        return answer.raise_for_status().json()["data"]


class AlertInbox:
    """Takes what Alertmanager posts, path by path."""

    def __init__(self) -> None:
        self.receiver = None

    def alerts(self, path: str) -> list[dict]:
        return [alert for at, _, body in self.receiver.got if at == path for alert in json.loads(body)["alerts"]]

    async def wait_for(self, path: str, name: str, seconds: float = 60) -> dict:
        """The first alert `name` that fires at this path."""
        with anyio.fail_after(seconds):
            while True:
                for alert in self.alerts(path):
                    if alert["labels"]["alertname"] == name and alert["status"] == "firing":
                        return alert
                await self.receiver.wait_for(len(self.receiver.got) + 1)


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[SweepWorld]:
    """Everything, while the context lasts."""
    posted = AlertInbox()
    async with AsyncExitStack() as stack:
        installation = await _installation(stack, folder)
        posted.receiver = await stack.enter_async_context(answering(200))
        daemon = await stack.enter_async_context(installation.running())
        alertmanager = await stack.enter_async_context(_alertmanager(folder, posted.receiver.url))
        prometheus = await stack.enter_async_context(_prometheus(folder, daemon.url, alertmanager))
        everything = SweepWorld(daemon.url, prometheus, posted)
        stack.push_async_callback(everything.http.aclose)
        yield everything


async def _installation(stack: AsyncExitStack, folder: Path) -> Installation:
    """Two accounts, of which one is refused, and receivers that take everything, most, nothing, and that are gone."""
    simulator = await stack.enter_async_context(simulated(speed=30.0, jobs=20, seed=5, api_keys=(KEY,)))
    simulator.faults = Faults([Fault("429", 0.05), Fault("bad-job", 0.1), Fault("stale", 0.15)], seed=7)
    now = clock()
    for name, plan in {"queued": {"queued": FOREVER}, "asked": {"cancel_at": now, "cancelling": FOREVER}}.items():
        simulator.workspace.add(JobPlan(id=name, created=now, running=FOREVER, **plan))
    for fault in ("file-forbidden", "download-503"):  # results that are missing, and others that wait for another attempt
        ending = JobPlan(id=fault, created=now, requests=20, validated=0.2, queued=0.2, running=1.0)
        simulator.workspace.add(with_fault(ending, fault))
    installation = Installation(folder, simulator.url, stalled_after="1s")
    installation.environment |= {"TOKEN": TOKEN, "OTHER_KEY": "revoked", "SECRET": SECRET}
    text = installation.config.read_text().replace("[[accounts]]", 'token = { env = "TOKEN" }\n[[accounts]]', 1)
    text += 'webhook_secret = { env = "SECRET" }\n[[accounts]]\nname = "locked"\napi_key = { env = "OTHER_KEY" }\n'
    text += f'base_url = "{simulator.url}"\npoll_interval = "1s"\nprogress_every = "0s"\n'
    for name, app in RECEIVERS.items():
        receiver = await stack.enter_async_context(open_server(app, "127.0.0.1", 0))
        text += f'[[receivers]]\nname = "{name}"\nkind = "webhook"\nurl = "{receiver.url}"\nsecret = {{ env = "SECRET" }}\n'
        text += 'events = ["batch.*"]\nretry = ["50ms"]\nhold = "0s"\n'
    installation.config.write_text(text + RESULTS.format(folder=folder / "results"))
    return installation


@asynccontextmanager
async def _alertmanager(folder: Path, receiver: str) -> AsyncIterator[str]:
    """Debian's Alertmanager with the shipped configuration, but that it posts to `receiver`, and soon."""
    settings = yaml.safe_load((SHIPPED / "alertmanager.yml").read_text("utf-8"))
    settings["route"] |= {"group_wait": "100ms", "group_interval": "500ms"}
    for each in settings["receivers"]:
        for webhook in each["webhook_configs"]:
            webhook["url"] = receiver + urlsplit(webhook["url"]).path
    config = folder / "alertmanager.yml"
    config.write_text(json.dumps(settings))
    command = [program("prometheus-alertmanager", "prometheus-alertmanager"), f"--config.file={config}"]
    command += [f"--storage.path={folder / 'alertmanager'}", "--cluster.listen-address="]
    async with _serving(command) as url:
        yield url


@asynccontextmanager
async def _prometheus(folder: Path, daemon: str, alertmanager: str) -> AsyncIterator[str]:
    """Debian's Prometheus with the shipped configuration and rules, the token put in, but that it looks often."""
    text = (SHIPPED / "prometheus.yml").read_text("utf-8")
    text = re.sub(r"# (authorization:|  credentials_file:)", r"\1", text)
    settings = yaml.safe_load(text)
    settings["global"] = {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"}
    settings["rule_files"] = [str(SHIPPED / name) for name in settings["rule_files"]]
    settings["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [urlsplit(alertmanager).netloc]
    (scrape,) = settings["scrape_configs"]
    scrape["static_configs"][0]["targets"] = [urlsplit(daemon).netloc]
    (folder / "token").write_text(TOKEN)
    scrape["authorization"]["credentials_file"] = str(folder / "token")
    config = folder / "prometheus.yml"
    config.write_text(json.dumps(settings))
    command = [program("prometheus", "prometheus"), f"--config.file={config}"]
    command += ["--enable-feature=exemplar-storage", f"--storage.tsdb.path={folder / 'prometheus'}"]
    async with _serving(command) as url:
        yield url


@asynccontextmanager
async def _serving(command: list[str]) -> AsyncIterator[str]:
    """A server of Prometheus's family, on loopback, once it is ready; ended when the context is left."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [*command, f"--web.listen-address={address}", "--log.level=error"]
    process = await anyio.open_process(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=None)
    try:
        await _ready(f"http://{address}/-/ready", process)
        yield f"http://{address}"
    finally:
        process.terminate()
        with anyio.CancelScope(shield=True):
            await process.wait()


async def _ready(url: str, process: anyio.abc.Process) -> None:
    deadline = time.monotonic() + 30
    async with httpx.AsyncClient(trust_env=False) as http:
        while True:
            try:
                if (await http.get(url)).status_code == 200:
                    return
            except httpx.TransportError:
                assert time.monotonic() < deadline, f"{url} never answered"
            assert process.returncode is None, f"{url} ended with status {process.returncode}"
            await anyio.sleep(0.05)
