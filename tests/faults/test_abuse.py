"""Who would have the real command do what it should not: through its HTTP server, its API, a receiver, or a name."""

import json
import signal

import anyio
import httpx
import pytest
from loopback import answer, loopback, sends
from matrix import matrix
from planting import plant
from recording_receiver import RecordingReceiver
from tracking import Installation, simulated

from tracker.daemon.control.control_file import control_file_path
from tracker.server.embedded import open_server

NAME = "receiver.test"
RESOLVER = """
    import pathlib, anyio._core._sockets as sockets
    resolve = sockets.getaddrinfo
    async def turned(host, *arguments, **more):
        if host in ({name!r}, {name!r}.encode()):
            host = pathlib.Path({file!r}).read_text()
        return await resolve(host, *arguments, **more)
    sockets.getaddrinfo = turned
"""
EVIL = {"origin": "https://evil.example"}
DEAD = {"receiver": "pipeline", "dead": True}


def with_receiver(folder, api, url):
    installation = Installation(folder, api)
    with installation.config.open("a") as config:
        config.write(f'[[receivers]]\nname = "pipeline"\nkind = "webhook"\nurl = "{url}"\nevents = ["*"]\nretry = ["50ms"]\n')
    return installation


async def test_no_request_passes_the_guard_unauthorized(tmp_path):
    """Another Host, another site's page, no token, a wrong one, tricks with paths: refused, with every header that helps."""
    async with simulated() as simulator, loopback(sends(answer())) as receiver:
        installation = with_receiver(tmp_path, simulator.url, receiver.url)
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url) as client:
            file = control_file_path(installation.database)
            right = {"authorization": f"Bearer {json.loads(file.read_bytes())['token']}"}
            assert file.stat().st_mode & 0o777 == installation.database.stat().st_mode & 0o777 == 0o600
            refused = [
                ("GET", "/api/jobs", {"host": "evil.example"}, 421),
                ("GET", "/", {"host": "127.0.0.1.evil.example"}, 421),
                ("POST", "/api/replay", {"host": "evil.example"}, 421),
                ("POST", "/api/replay", EVIL | right, 403),
                ("POST", "/login", EVIL, 403),
                ("POST", "/api/replay", {"sec-fetch-site": "cross-site"} | right, 403),
                ("POST", "/api/replay", {}, 401),
                ("POST", "/api/replay", {"authorization": "Bearer wrong"}, 401),
                ("POST", "/api/replay", {"cookie": f"batch_tracker_session={right['authorization'][7:]}"}, 401),
                ("POST", "/api/receivers/pipeline/enable", {}, 401),
                ("DELETE", "/api/jobs", {}, 401),
                ("GET", "/static/..%2f..%2f..%2fetc/passwd", {}, 404),
                ("GET", "/static/%2e%2e/app.py", right, 404),
                ("GET", "//api/jobs", {}, 404),
            ]
            for method, path, headers, status in refused:
                found = await client.request(method, path, headers=headers, json=DEAD if method == "POST" else None)
                assert found.status_code == status, (method, path, headers)
                assert "access-control-allow-origin" not in found.headers
            assert (await client.post("/api/replay", headers=right, json=DEAD)).status_code == 200
            assert await daemon.stop(signal.SIGTERM) == 0
        assert not file.exists()


@pytest.mark.parametrize("status", matrix([301, 307, 308]))
async def test_no_redirect_leads_elsewhere(tmp_path, status):
    """An API and a receiver that point to another server cause no request to it: it gets neither the key nor an event."""
    async with loopback(sends(answer(b'{"total":0}'))) as second:
        elsewhere = sends(answer(b"", status, f"location: {second.url}/v1/batch/jobs"))
        async with loopback(elsewhere) as api, loopback(elsewhere) as receiver:
            installation = with_receiver(tmp_path, api.url, receiver.url)
            async with installation.running() as daemon:
                line = await daemon.says("sweep.failed")
                assert line["detail"].startswith(
                    f"HTTP {status}; it leads to {second.url}/v1/batch/jobs, which is not followed"
                )
            sent = await installation.command("send-test", "pipeline")
            assert sent.returncode == 1
            assert f"HTTP {status}" in sent.stdout + sent.stderr
            assert receiver.accepts > 0
        assert second.accepts == 0


async def test_a_receivers_name_is_looked_up_again(tmp_path):
    """A name whose address changes leads to the new one with the next connection: nothing holds on to what it once meant."""
    address, first, other = tmp_path / "address", RecordingReceiver(), RecordingReceiver()
    address.write_text("127.0.0.1")
    turned = anyio.Event()

    async def serve_first(*, task_status):
        async with open_server(first, "127.0.0.1", 0) as served:
            task_status.started(served)
            await turned.wait()

    async with simulated(jobs=10, speed=60.0) as simulator, anyio.create_task_group() as group:
        served = await group.start(serve_first)
        async with open_server(other, "127.0.0.2", served.port):
            installation = with_receiver(tmp_path, simulator.url, f"http://{NAME}:{served.port}/hook")
            plant(installation, RESOLVER.format(name=NAME, file=str(address)))
            async with installation.running() as daemon:
                await first.reads()
                assert other.got == []
                address.write_text("127.0.0.2")
                turned.set()  # and its connections are closed
                await other.reads()
                assert await daemon.stop(signal.SIGTERM) == 0
