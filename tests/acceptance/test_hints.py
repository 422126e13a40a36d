"""A simulated vendor sends its webhooks to the real command: the end is logged at once, and only as the API has it."""

import json
import re
import socket
import subprocess
from base64 import b64encode
from contextlib import asynccontextmanager, closing

import anyio
import httpx
import pytest
from click.testing import CliRunner
from metrics_reading import samples
from tracking import COMMAND, Installation
from waiting import until

from tracker.cli import group

SECRET = "whsec_" + b64encode(b"1" * 32).decode()
DUE = 60
"""Seconds; they only end a hang. A sweep is an hour away."""

REQUESTS = [{"custom_id": str(number), "method": "POST", "url": "/v1/responses", "body": {}} for number in range(3)]
INLINE = {"requests": {"requests": [{"request": {"contents": []}}] * 3}}


def free_port():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return server.getsockname()[1]


async def submit_to_openai(client, simulate):
    form = {"file": ("requests.jsonl", b"\n".join(json.dumps(each).encode() for each in REQUESTS))}
    file = (await client.post("/v1/files", files=form, data={"purpose": "batch"})).json()["id"]
    batch = {"input_file_id": file, "endpoint": "/v1/responses", "completion_window": "24h"}
    return (await client.post("/v1/batches", json=batch | {"metadata": {"simulate": simulate}})).json()["id"]


async def submit_to_gemini(client, simulate):
    batch = {"batch": {"displayName": f"nightly simulate={simulate}", "inputConfig": INLINE}}
    url = "/v1beta/models/gemini-4-flash:batchGenerateContent"
    return (await client.post(url, json=batch, headers={"x-goog-api-key": "any"})).json()["name"]


SUBMIT = {"openai": submit_to_openai, "gemini": submit_to_gemini}


class Hinted:
    """The real command, and `submit` to the vendor that sends it webhooks."""

    def __init__(self, installation, client, provider):
        self._installation = installation
        self._client = client
        self._provider = provider

    async def submit(self, simulate):
        return await SUBMIT[self._provider](self._client, simulate)

    async def ends(self, of):
        """The events that end these jobs, once they are logged."""
        ends = {"batch.completed", "batch.failed", "batch.expired"}
        events = await self._installation.wait_for_events(
            lambda events: {event["data"]["id"] for event in events if event["type"] in ends} >= set(of), DUE
        )
        return [event for event in events if event["type"] in ends]

    async def hints(self, enough):
        """How many webhooks had each result, and how many sweeps there were, once the former are `enough`."""
        async with httpx.AsyncClient(base_url=self.url) as daemon:

            async def found():
                page = samples((await daemon.get("/metrics")).content)
                of = lambda metric: [(labels, value) for (name, labels), value in page.items() if name == metric]  # noqa: E731
                hints = {dict(labels)["result"]: value for labels, value in of("batchtracker_hints_total")}
                return (hints, sum(value for _, value in of("batchtracker_sweeps_total"))) if enough(hints) else None

            return await until(found, DUE)


@asynccontextmanager
async def hinted(folder, provider, *options):
    """`simulate` sends webhooks to `run`, whose next sweep is an hour away."""
    port = free_port()
    to = ["--webhook-url", f"http://127.0.0.1:{port}/hooks/default", "--webhook-secret", SECRET]
    command = [*COMMAND, "simulate", "--provider", provider, "--listen", "127.0.0.1:0", "--jobs", "0", *to, *options]
    async with await anyio.open_process(command, stderr=subprocess.DEVNULL) as simulator:
        try:
            said = ""
            with anyio.fail_after(DUE):
                while not (url := re.search(r'^base_url = "(.+)"\n', said, re.MULTILINE)):
                    said += (await simulator.stdout.receive()).decode()
            installation = Installation(folder, url[1], provider=provider, poll_interval="1h", requests_per_second=10)
            configured = installation.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}")
            installation.config.write_text(configured + 'webhook_secret = { env = "WEBHOOK_SECRET" }\n')
            installation.environment |= {"WEBHOOK_SECRET": SECRET}
            host = url[1].removesuffix("/v1")
            headers = {"authorization": "Bearer any"}
            async with installation.running() as daemon, httpx.AsyncClient(base_url=host, headers=headers) as client:
                world = Hinted(installation, client, provider)
                world.url = daemon.url
                await world.hints(lambda found: "accepted" in found)
                yield world
        finally:
            simulator.kill()


@pytest.mark.parametrize("provider", ["openai", pytest.param("gemini", marks=pytest.mark.slow)])
async def test_simulated_webhooks_bring_each_end_into_the_log(tmp_path, provider):
    """Batches that end in several ways are logged as the API has them, after the one sweep of the start."""
    async with hinted(tmp_path, provider, "--speed", "2000") as world:
        asked = {await world.submit(how): how for how in ("success", "all_failed", "timeout_exceeded")}
        ends = {event["data"]["id"]: (event["type"], event.get("outcome")) for event in await world.ends(asked)}
        assert {asked[id_]: end for id_, end in ends.items()} == {
            "success": ("batch.completed", "success"),
            "all_failed": ("batch.completed", "all_failed"),
            "timeout_exceeded": ("batch.expired", None),
        }
        found, sweeps = await world.hints(lambda found: found["accepted"] >= 3)
        assert (found["accepted"], found["refused"], sweeps) == (3, 0, 1)


@pytest.mark.slow
@pytest.mark.parametrize("provider", ["openai", "gemini"])
async def test_webhooks_that_are_early_twice_or_forged(tmp_path, provider):
    """The end behind an early webhook is logged after a second look, that of a repeated one once, a forged one's not at all."""
    async with hinted(tmp_path, provider, "--speed", "30") as world:
        forged = await world.submit("success,webhook-forged")
        lost = await world.submit("success,webhook-lost")
        right = [await world.submit(f"success,{fault}") for fault in ("webhook-early", "webhook-twice")]
        ends = await world.ends(right)
        found, sweeps = await world.hints(lambda found: found["refused"] >= 1 and found["repeated"] >= 1)
        assert sorted(event["data"]["id"] for event in ends) == sorted(right)
        assert {forged, lost}.isdisjoint(event["data"]["id"] for event in ends)
        assert (found["accepted"], sweeps) == (2, 1)


@pytest.mark.slow
async def test_an_api_that_lags_behind_its_webhooks_is_asked_again(tmp_path):
    """Each answer is three seconds old: the hinted poll does not show the end yet, and the second look does."""
    async with hinted(tmp_path, "openai", "--speed", "100", "--fault", "lagging:1") as world:
        asked = [await world.submit("success") for _ in range(3)]
        assert sorted(event["data"]["id"] for event in await world.ends(asked)) == sorted(asked)
        assert (await world.hints(lambda _: True))[1] == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--provider", "anthropic", "--webhook-url", "http://a/hooks/b"), "anthropic sends no webhooks for batches"),
        (("--provider", "openai", "--webhook-url", "a/hooks/b"), "found 'a/hooks/b', expected an http or https URL"),
        (("--provider", "openai", "--webhook-secret", "canary"), "found something else (not shown), expected whsec_"),
    ],
)
def test_simulate_says_what_is_wrong_with_its_webhooks(options, said):
    """It does not start, and shows no secret."""
    done = CliRunner().invoke(group, ["simulate", *options])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())
    assert "canary" not in done.output
