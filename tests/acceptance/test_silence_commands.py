"""`silence` and `silences`, run as a user would, without a daemon and beside a running one."""

import json
import re
from datetime import UTC, datetime

import anyio
import pytest
from fixed_receiver import answering, installed
from matrix import matrix
from test_deliveries_commands import SINCE, job

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.job_diff import first_seen
from tracker.core.silences.weekly_window import DAYS
from tracker.store.opening import open_store

TEAM = '[[receivers]]\nname = "team"\nkind = "slack"\nurl = "{url}/slack"\nevents = ["batch.*"]\ngroup_wait = "0s"\n'


def with_team(folder, url):
    """An installation with a webhook `pipeline` and Slack's `team`."""
    installation = installed(folder, pipeline=url)
    with installation.config.open("a") as config:
        config.write(TEAM.format(url=url))
    return installation


@pytest.fixture
async def installation(tmp_path):
    """One whose log has the end of a job, pending for both receivers."""
    made = with_team(tmp_path, "http://127.0.0.1:1")
    subscriptions = [Subscription(receiver=name, events=("batch.completed",)) for name in ("team", "pipeline")]
    async with open_store(made.database, subscriptions) as store:
        await store.record("default", [first_seen("default", job("job-a", "SUCCESS", 10), SINCE)])
    return made


async def succeeded(installation, *arguments):
    done = await installation.command(*arguments)
    assert done.returncode == 0, done.stderr
    return done


async def listed(installation, *arguments):
    return [json.loads(line) for line in (await succeeded(installation, *arguments, "--json")).stdout.splitlines()]


@pytest.mark.slow
async def test_silence_without_a_daemon(installation):
    """The command writes the silence itself, which silences what is pending, and its end; what was kept can be replayed."""
    made = await succeeded(installation, "silence", "--event", "batch.*", "--for", "2h", "--reason", "an upgrade")
    id_ = re.match(r"(sil_[0-9a-f]{20}) silences event batch\.\* until ", made.stdout)[1]
    assert "1 pending delivery is silenced too" in made.stdout
    (silence,) = await listed(installation, "silences")
    assert (silence["id"], silence["state"], silence["reason"], silence["silenced"]) == (id_, "active", "an upgrade", 1)
    table = (await succeeded(installation, "silences")).stdout
    assert [word in table for word in (id_, "active", "event batch.*", "an upgrade")] == [True] * 4
    kept = await listed(installation, "deliveries", "--state", "silenced")
    assert [(each["receiver"], each["silence"]) for each in kept] == [("team", id_)]
    await succeeded(installation, "silence", "--end", id_)
    assert await listed(installation, "silences") == []
    (event,) = await listed(installation, "events", "--type", "silence.ended")
    assert (event["data"]["missed"], event["data"]["jobs"][0]["id"]) == (1, "job-a")
    assert (await succeeded(installation, "replay", "--receiver", "team", "--silence", id_)).stdout.startswith(
        "1 delivery to team"
    )


@pytest.mark.parametrize(
    ("options", "said"),
    matrix(
        [
            ("--receiver taem --for 1h --reason r", "found 'taem', which matches no receiver; did you mean 'team'?"),
            ("--for 1h", "expected --reason TEXT"),
            ("--reason r", "expected --for DURATION or --until TIME: there is no silence without an end"),
            ("--for 1h --until 2030-01-01 --reason r", "expected --for DURATION or --until TIME"),
            ("--for 367d --reason r", 'expected a duration from "1s" to "366d"'),
            ("--until 2020-01-01 --reason r", "expected an end after its start and after now"),
            ("--until tomorrow --reason r", "found 'tomorrow', expected a time"),
            ("--match modle=x --for 1h --reason r", "found the key 'modle', did you mean 'model'?"),
            ("--match model --for 1h --reason r", "found 'model', expected KEY=GLOB"),
            ("--match metadata.=x --for 1h --reason r", "found 'metadata.=x', expected KEY=GLOB, such as metadata.team=eval"),
            ("--match model=\udcff --for 1h --reason r", "found bytes in what is silenced or in the reason that are not UTF-8"),
            ("--end \udcff", "expected the ID of a silence"),
            ("--model a --match model=b --for 1h --reason r", "found model twice, expected one glob"),
            ("--event batch.fialed --for 1h --reason r", "matches no event type; did you mean 'batch.failed'?"),
            ("--account prod --for 1h --reason r", "found 'prod', which matches no account"),
            ("--receiver pipeline --for 1h --reason r", "a webhook, which a program reads; `webhooks` (--webhooks)"),
            ("--end sil_1 --for 1h", "--end stands alone"),
            ("--end sil_1", "no silence 'sil_1' is open"),
        ]
    ),
)
async def test_mistakes_are_said_and_silence_nothing(installation, options, said):
    """What cannot be meant is a mistake of usage, which says what was found and what is expected."""
    done = await installation.command("silence", *options.split())
    assert (done.returncode, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())
    assert await listed(installation, "silences") == []


async def test_silence_beside_a_running_daemon(tmp_path):
    """The daemon keeps from people what the command silences, and sends the webhook; at the end it says what was missed."""
    async with answering() as receiver:
        installation = with_team(tmp_path, receiver.url)
        async with installation.running():
            made = await succeeded(installation, "silence", "--match", "receiver=team", "--for", "1h", "--reason", "quiet")
            id_ = made.stdout.split()[0]
            unknown = await installation.command("silence", "--receiver", "taem", "--for", "1h", "--reason", "r")
            assert (unknown.returncode, "did you mean 'team'?" in unknown.stderr) == (2, True)
        subscriptions = [Subscription(receiver="team", events=("*",)), Subscription(receiver="pipeline", events=("*",))]
        async with open_store(installation.database, subscriptions) as store:
            await store.record("default", [first_seen("default", job("job-a", "FAILED", 10), SINCE)])
        async with installation.running():
            with anyio.fail_after(30):
                await receiver.wait_for(2)
            assert {path for path, _, _ in receiver.got} == {"/hooks/canary-path-2718"}
            ended = await succeeded(installation, "silence", "--end", id_)
            assert ended.stdout == f"{id_} has ended; what was missed is on its way\n"
            *_, message = await receiver.wait_for(3)
    assert receiver.got[-1][0] == "/slack"
    assert message["text"].startswith("Silence ended: 2 events were not sent (1 failed, 1 created)\n")
    assert "job-a" in message["text"]


@pytest.mark.slow
async def test_window_of_the_configuration_is_in_force_from_the_start(tmp_path):
    """The daemon honors a weekly window and lists it with the next one; one that is ended early does not come back."""
    began = DAYS[(datetime.now(UTC).weekday() - 3) % 7]  # three days ago, and it lasts six
    window = f'[[maintenance]]\nname = "long"\ndays = ["{began}"]\nstart = "12:00"\nduration = "6d"\n'
    async with answering() as receiver:
        installation = with_team(tmp_path, receiver.url)
        with installation.config.open("a") as config:
            config.write(window)
        async with installation.running():
            active, scheduled = await listed(installation, "silences")
            assert [each["state"] for each in (active, scheduled)] == ["active", "scheduled"]
            assert {each["window"] for each in (active, scheduled)} == {"long"}
            await succeeded(installation, "silence", "--end", active["id"])
            assert await listed(installation, "silences") == [scheduled]
        async with installation.running():
            assert await listed(installation, "silences") == [scheduled]
