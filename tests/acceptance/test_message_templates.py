"""Other words for messages, by the real command: `check` finds their mistakes, and a reload has the daemon use new ones."""

import json
import signal

import anyio
import pytest
from fixed_receiver import answering
from tracking import Installation, simulated

pytestmark = pytest.mark.slow


def titles(receiver):
    return [json.loads(body)["title"] for _, _, body in receiver.got]


async def arrived(receiver, word):
    """Until a message begins with this word."""
    with anyio.fail_after(60):
        while not any(title.startswith(word) for title in titles(receiver)):
            await receiver.wait_for(len(receiver.got) + 1)


async def test_new_words_after_a_reload(tmp_path):
    """`check` finds a mistake, with the line and the events; the daemon sends by the file, and after SIGHUP by the new one."""
    words = tmp_path / "words.txt"
    async with simulated(jobs=20, speed=300.0) as simulator, answering(200) as service:
        installation = Installation(tmp_path, simulator.url)
        installation.environment["APPRISE_URL"] = service.url.replace("http://", "json://") + "/hook"
        with installation.config.open("a") as config:
            config.write(
                '[[receivers]]\nname = "phone"\nkind = "apprise"\nurl = { env = "APPRISE_URL" }\nevents = ["batch.*"]\n'
            )
            config.write(f'group_wait = "0s"\ntemplate = {{ file = "{words}" }}\n')
        words.write_text("first\n{{ job.modle }}")
        wrong = await installation.command("check")
        assert (wrong.returncode, service.got) == (2, [])
        assert "receivers[0].template: line 2: 'dict object' has no attribute 'modle', with a sample of batch." in wrong.stderr
        words.write_text("first {{ events|length }}")
        async with installation.running() as daemon:
            await arrived(service, "first ")
            words.write_text("second {{ events|length }}")
            daemon.process.send_signal(signal.SIGHUP)
            assert (await daemon.says("configuration.reloaded"))["changed"] == ["receiver phone"]
            await arrived(service, "second ")
    begun = [title.partition(" ")[0] for title in titles(service)]
    assert begun == sorted(begun)
    assert set(begun) == {"first", "second"}
