"""SIGHUP: the daemon that runs takes another configuration over, and loses nothing by it."""

import json
import signal

import httpx
from answering import answering
from tracking import Installation, simulated

from tracker.store.reader import EventFilter, open_reader


def receiver(name, url, **settings):
    settings = {"events": ["*"], "retry": ["100ms"] * 9, "url": url} | settings
    return f'[[receivers]]\nname = "{name}"\nkind = "webhook"\n' + "".join(
        f"{key} = {json.dumps(value)}\n" for key, value in settings.items()
    )


async def test_new_receiver_is_told_from_then_on(tmp_path):
    """A receiver that a reload adds gets what is logged from then on, and the daemon says what it took over."""
    async with simulated(jobs=3, speed=600.0) as simulator, answering() as hook:
        installation = Installation(tmp_path, simulator.url)
        async with installation.running() as daemon:
            await installation.wait_for_events(bool)
            installation.config.write_text(installation.config.read_text() + receiver("hook", hook.url))
            daemon.process.send_signal(signal.SIGHUP)
            assert (await daemon.says("reloaded"))["added"] == ["receiver hook"]
            first, *_ = await hook.wait_for(3)
            async with open_reader(installation.database) as reader:
                seqs = [seq for seq, _ in await reader.events(0, EventFilter(), limit=100_000)]
            await daemon.stop(signal.SIGTERM)
    assert 1 < first["seq"] <= seqs[-1]


async def test_invalid_file_leaves_the_old_one_in_force(tmp_path):
    """Every mistake is told by the log, the metrics say that the reload failed, and the daemon goes on as it was."""
    async with simulated(jobs=3, speed=600.0) as simulator:
        installation = Installation(tmp_path, simulator.url)
        sound = installation.config.read_text()
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url) as client:
            installation.config.write_text(sound + 'nonsense = 1\npoll_intervall = "soon"\n')
            daemon.process.send_signal(signal.SIGHUP)
            failed = await daemon.says("reload.failed")
            assert ["nonsense" in failed["mistakes"][0], "poll_intervall" in failed["mistakes"][1]] == [True, True]
            page = (await client.get("/metrics")).text
            assert "batchtracker_config_last_reload_successful 0.0" in page
            assert 'batchtracker_config_reloads_total{result="error"} 1.0' in page
            seen = len(await installation.wait_for_events(bool))
            await installation.wait_for_events(lambda events: len(events) > seen)
            installation.config.write_text(sound)
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.says("reloaded")
            assert "batchtracker_config_last_reload_successful 1.0" in (await client.get("/metrics")).text
