"""The API of the daemon as a process: what a program pulls, how it follows, and how both end with the daemon."""

import json
import signal

import anyio
import httpx
import pytest
from tracking import Installation, simulated
from waiting import until_ready

from tracker.daemon.control.control_file import control_file_path


async def test_a_program_follows_a_workspace(tmp_path):
    """Beside a moving workspace the stream gives what the log gets, live and whole; SIGTERM ends both."""
    async with simulated(speed=600.0, jobs=30) as simulator:
        installation = Installation(tmp_path, simulator.url)
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url, timeout=30) as client:
            arrived = []
            async with client.stream("GET", "/api/stream?after=0") as answer, anyio.create_task_group() as group:
                assert answer.status_code == 200

                async def follow():
                    async for line in answer.aiter_lines():
                        arrived.extend([json.loads(line.removeprefix("data: "))] if line.startswith("data: ") else [])

                group.start_soon(follow)
                logged = await installation.wait_for_events(lambda events: len(events) > 100)
                page = (await client.get("/api/events", params={"limit": 100})).json()
                assert page["data"] == logged[:100]
                token = json.loads(control_file_path(installation.database).read_text())["token"]
                response = await client.post(
                    "/api/replay", headers={"authorization": f"Bearer {token}"}, json={"receiver": "x", "dead": True}
                )
                assert (response.status_code, response.json()["status"]) == (404, 404)
                await until_ready(client)
                assert (await client.get("/api/accounts")).json()["data"][0]["up"] is True
                with anyio.fail_after(5):
                    assert await daemon.stop(signal.SIGTERM) == 0
            everything = await installation.wait_for_events(lambda _: True)
    assert arrived == everything[: len(arrived)]
    assert len(arrived) >= len(logged)
    assert not [line for line in daemon.lines if line["level"] == "error" or line["event"].startswith("stream")]


@pytest.mark.slow
async def test_several_addresses(tmp_path):
    """The daemon answers at each address of a list, names them all when it is ready, and commands reach it."""
    async with simulated(jobs=1) as simulator:
        installation = Installation(tmp_path, simulator.url)
        several = installation.config.read_text().replace('"127.0.0.1:0"', '["127.0.0.2:0", "127.0.0.1:0"]')
        installation.config.write_text(several)
        async with installation.running() as daemon, httpx.AsyncClient() as client:
            ready = await daemon.says("process.started")
            assert (ready["url"].startswith("http://127.0.0.2:"), len(ready["also"])) == (True, 1)
            for url in (ready["url"], *ready["also"]):
                assert (await client.get(f"{url}/api/jobs")).status_code == 200
            assert (await installation.command("check", "--running")).returncode == 0
            checked = (await installation.command("check")).stdout
            assert [line.split()[1] for line in checked.splitlines() if line.startswith("listen")] == ["127.0.0.2", "127.0.0.1"]


@pytest.mark.slow
async def test_a_token_in_the_configuration(tmp_path):
    """With http.token nothing but a status is read without it; http.hosts names the server; neither token is ever shown."""
    async with simulated(jobs=3) as simulator:
        installation = Installation(tmp_path, simulator.url)
        installation.environment["PAGE_TOKEN"] = "canary-page-token-2718"
        installation.config.write_text(
            installation.config.read_text().replace(
                "[http]\n", '[http]\ntoken = { env = "PAGE_TOKEN" }\nhosts = ["tracker.example.com"]\n'
            )
        )
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url) as client:
            right = {"authorization": "Bearer canary-page-token-2718"}
            answers = [await client.get(url) for url in ("/api/jobs", "/metrics", "/", "/api/stream", "/login")]
            assert [answer.status_code for answer in answers] == [401, 401, 401, 401, 200]
            assert (await client.get("/healthz")).status_code == 200
            assert (await client.get("/api/jobs", headers=right | {"host": "tracker.example.com"})).status_code == 200
            assert (await client.get("/api/jobs", headers=right | {"host": "example.com"})).status_code == 200
            assert (await client.get("/api/jobs", headers={"host": "example.com"})).status_code == 421
            assert {*(await client.get("/readyz", headers={"host": "10.1.2.3:9471"})).json()} == {"status"}
            token = json.loads(control_file_path(installation.database).read_text())["token"]
            answers += [
                await client.get(url, headers=right) for url in ("/api/jobs", "/api/accounts", "/metrics", "/nothing", "/")
            ]
            done = await installation.command("replay", "--receiver", "x", "--dead")
            assert (done.returncode, "no receiver 'x'" in done.stderr) == (2, True)
            await daemon.stop(signal.SIGTERM)
    said = (
        json.dumps(daemon.lines) + done.stdout + done.stderr + "".join(answer.text + str(answer.headers) for answer in answers)
    )
    assert "canary-page-token" not in said
    assert token not in said
