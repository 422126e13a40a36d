"""The daemon where few files may be open: it says so, and answers all the same."""

import signal
from contextlib import AsyncExitStack

import anyio
import httpx
import pytest
from tracking import Installation, simulated

pytestmark = pytest.mark.slow


def limited(how):
    return ["sh", "-c", f'{how}; exec "$@"', "sh"]


@pytest.mark.slow
async def test_a_daemon_with_64_files_says_so_and_goes_on_answering(tmp_path):
    """With `ulimit -n 64` a warning names the limit and what is left; beside 200 connections each request is answered."""
    async with simulated(jobs=5) as simulator:
        installation = Installation(tmp_path, simulator.url)
        installation.under = limited("ulimit -n 64")
        async with installation.running() as daemon, AsyncExitStack() as stack:
            said = await daemon.says("descriptors.limited")
            assert (said["level"], said["limit"]) == ("warning", 64)
            assert (said["connections"] >= 4, "LimitNOFILE" in said["to_change"]) == (True, True)
            host, port = httpx.URL(daemon.url).host, httpx.URL(daemon.url).port
            for _ in range(200):
                await stack.enter_async_context(await anyio.connect_tcp(host, port))
            async with httpx.AsyncClient(base_url=daemon.url) as client:
                for path in ("/healthz", "/", "/api/jobs", "/metrics") * 3:
                    assert (await client.get(path)).status_code == 200
            assert (await installation.command("check", "--running")).returncode == 0
            await installation.wait_for_events(lambda events: len(events) >= 5)
            assert await daemon.stop(signal.SIGTERM) == 0
    assert [line for line in daemon.lines if line["level"] in ("error", "critical")] == []


async def test_the_soft_limit_is_raised(tmp_path):
    """A low soft limit costs nothing where the hard one allows more: it is raised, and nothing is said."""
    async with simulated(jobs=1) as simulator:
        installation = Installation(tmp_path, simulator.url)
        installation.under = limited("ulimit -Sn 256; ulimit -Hn 4096")
        async with installation.running() as daemon:
            limits = (await anyio.Path(f"/proc/{daemon.process.pid}/limits").read_text()).splitlines()
            (files,) = [line.split()[3:5] for line in limits if line.startswith("Max open files")]
            assert files == ["4096", "4096"]
    assert [line for line in daemon.lines if line["event"] == "descriptors.limited"] == []
