"""Ten thousand messages to /hooks/ACCOUNT while real ones come: the daemon sweeps, records and serves as before."""

import json
import re
from base64 import b64encode
from datetime import UTC, datetime
from urllib.parse import urlsplit

import anyio
import httpx
import pytest
from msgspec.structs import replace
from standardwebhooks import Webhook
from tracking import Installation, clock, simulated

from tracker.simulator.job_timeline import JobPlan

pytestmark = pytest.mark.slow

SECRET, OTHER = ("whsec_" + b64encode(bytes([each]) * 32).decode() for each in (1, 2))
FLOOD, CONNECTIONS = 10_000, 20


def message(job, secret=SECRET, *, number=0, late=0):
    """The body and the headers of a signed message."""
    body, at = json.dumps({"type": "batch.failed", "data": {"id": job}}), int(clock()) - late
    signature = Webhook(secret).sign(f"msg_{number}", datetime.fromtimestamp(at, UTC), body)
    return body, {"webhook-id": f"msg_{number}", "webhook-timestamp": str(at), "webhook-signature": signature}


def request(account, body, headers):
    """The bytes of a request."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /hooks/{account} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n{lines}\r\n{body}".encode()


def kinds():
    """A request of each kind of the flood, and its status."""
    body, headers = message("batch_1", OTHER)
    return [
        (request("default", body, headers), 401),
        (request("default", *message("batch_1", late=3600)), 401),
        (request("default", body, {}), 401),
        (request("default", "x" * 60_000, headers), 401),
        (request("unknown", body, headers), 404),
        (request("default", *message("ended")), 204),
    ]


async def send(url, requests):
    """Send these requests over one connection; the statuses of their answers."""
    address, statuses = urlsplit(url), []
    async with await anyio.connect_tcp(address.hostname, address.port) as stream:
        for each in requests:
            await stream.send(each)
            answer = b""
            while not _is_whole(answer):
                answer += await stream.receive()
            statuses.append(int(answer[9:12]))
    return statuses


def _is_whole(answer):
    head, found, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    return bool(found) and len(body) >= (int(length[1]) if length else 0)


async def metric(client, name):
    page = (await client.get("/metrics")).text
    return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(f"batchtracker_{name}"))


async def test_a_flood_changes_nothing_and_keeps_no_real_hint_out(tmp_path):
    """Sweeps go on, the hinted end is logged while the flood lasts, and the log has one line of all that was refused."""
    async with simulated() as simulator:
        plan = JobPlan(id="0b1f4e1c-1111-4000-8000-000000000000", created=clock() - 60, running=1e7, timeout=2e7)
        ended = JobPlan(id="ended", created=clock() - 60, fails_after=1.0)
        simulator.workspace.add(plan)
        simulator.workspace.add(ended)
        installation = Installation(tmp_path, simulator.url, requests_per_second=20)
        with installation.config.open("a") as config:
            config.write('webhook_secret = { env = "HOOK" }\n')
        installation.environment["HOOK"] = SECRET
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url, timeout=60) as client:
            await installation.wait_for_events(lambda events: len(events) >= 3)
            sent, statuses, flooding = kinds(), [], anyio.Event()

            async def flood():
                requests = [sent[number % len(sent)] for number in range(FLOOD // CONNECTIONS)]
                expected = [status for _, status in requests]
                assert await send(daemon.url, [each for each, _ in requests]) == expected
                statuses.extend(expected)
                flooding.set()

            before = await metric(client, "sweeps_total")
            async with anyio.create_task_group() as group:
                for _ in range(CONNECTIONS):
                    group.start_soon(flood)
                simulator.workspace.plans[plan.id] = replace(plan, fails_after=clock() - plan.created)
                assert await send(daemon.url, [request("default", *message(plan.id, number=1))]) == [204]
                await installation.wait_for_events(lambda events: sum(each["type"] == "batch.failed" for each in events) == 2)
                assert not flooding.is_set(), "the flood was over before the end was logged"
            assert await metric(client, "sweeps_total") - before >= 2
            refused = await metric(client, 'hints_total{account="default",result="refused"}')
            assert refused == statuses.count(401)
            assert await metric(client, 'hints_total{account="default",result="accepted"}') == 2
            assert await metric(client, 'api_requests_total{account="default",call="get"') <= 1
        lines = [line for line in daemon.lines if line["event"].startswith("hint.")]
    assert len(lines) <= 2 * 3, "a line for each reason at the start, and one at the end"
