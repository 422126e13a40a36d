"""deploy/examples, each program run as it stands beside the real daemon: killed, sent duplicates and forgeries."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import httpx
import pytest
from fixed_receiver import SECRET
from job_changes import seen_many
from matrix import matrix
from programs import program
from simulated_jobs import begin, end
from tracking import COMMAND, Installation, simulated
from web_application import served_application

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"
ENDS = ("success", "partial", "failed", "cancelled", "expired", "all_failed")


class Example:
    """A program that was started, and the lines that it has said, over all of its lives."""

    def __init__(self, command, environment):
        self.lines = []
        self._command = command
        self._environment = environment
        self._said = anyio.Event()

    @asynccontextmanager
    async def running(self):
        """Until the end of the context, in which it is killed."""
        process = await anyio.open_process(self._command, env=self._environment, stderr=None, start_new_session=True)
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._read, process)
                try:
                    yield process
                finally:
                    os.killpg(process.pid, signal.SIGKILL)  # a pipeline is several
        finally:
            with anyio.CancelScope(shield=True):
                await process.aclose()

    async def _read(self, process):
        left = b""
        async for chunk in process.stdout:
            *whole, left = (left + chunk).split(b"\n")
            self.lines += [line.decode() for line in whole]
            self._said.set()
            self._said = anyio.Event()

    async def says(self, enough):
        with anyio.fail_after(40):
            while not enough(self.lines):
                await self._said.wait()


def in_python(folder):
    return [sys.executable, str(copied(folder, "receiver.py"))]


def in_node(folder):
    node, npm = program("node", "nodejs"), program("npm", "npm")
    for name in ("package.json", "package-lock.json"):
        copied(folder, name)
    install = [npm, "ci", "--no-audit", "--no-fund", "--fetch-retries=1", "--fetch-timeout=20000"]
    installed = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False, timeout=100)
    if installed.returncode and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip(f"npm cannot install: {installed.stderr[:200]}")
    assert installed.returncode == 0, installed.stderr
    return [node, str(copied(folder, "receiver.mjs"))]


def copied(folder, name):
    return Path(shutil.copy(EXAMPLES / name, folder))


@pytest.mark.slow
@pytest.mark.parametrize("command", matrix([in_python, in_node]))
async def test_receiver_works_on_each_event_once(tmp_path, command):
    """Forged and changed webhooks get 401 and nothing else; duplicates are answered and not worked on; a kill loses nothing."""
    environment = {"WEBHOOK_SECRET": SECRET, "INBOX": str(tmp_path / ("inbox.db" if command is in_python else "")), "PORT": "0"}
    example = Example(command(tmp_path), environment)
    async with simulated() as simulator:
        ids = begin(simulator, len(ENDS))
        async with example.running():
            await example.says(lambda lines: lines)
            url = example.lines.pop().split()[-1]
            example._environment["PORT"] = url.rpartition(":")[2]
            installation = watching(tmp_path, simulator, url)
            async with installation.running():
                await installation.wait_for_events(lambda events: len(events) == 12)  # on first contact they all run
                for each, how in zip(ids[:3], ENDS, strict=False):
                    end(simulator, each, how)
                await example.says(lambda lines: len(lines) == 3)
                await forge(url)
                replayed = await installation.command("replay", "--receiver", "pipeline", "--from-seq", "1")
                assert replayed.returncode == 0, replayed.stderr
                await settled(installation)
        assert len(example.lines) == 15, "the range was delivered as a whole, and no event was processed twice"
        async with installation.running():  # without a receiver
            for each, how in zip(ids[3:], ENDS[3:], strict=True):
                end(simulator, each, how)
            await installation.wait_for_events(lambda events: len(of_jobs(events)) == 18)
            async with example.running():
                await example.says(lambda lines: len(lines) == 19)
                await settled(installation)
    worked = [json.loads(line)[0] for line in example.lines if line.startswith("[")]
    logged = [event["id"] for event in of_jobs(await installation.wait_for_events(lambda _: True))]
    assert sorted(worked) == sorted(logged)


@pytest.mark.slow
async def test_receiver_handles_two_vendors_alike(tmp_path):
    """Jobs of two vendors that end in the same ways are reported in the same words; only whose they are differs."""
    copied(tmp_path, "receiver.py")
    environment = {"WEBHOOK_SECRET": SECRET, "INBOX": str(tmp_path / "inbox.db"), "PORT": "0"}
    example = Example([sys.executable, str(copied(tmp_path, "vendors.py"))], environment)
    async with simulated() as mistral, simulated(provider="openai") as openai, example.running():
        await example.says(lambda lines: lines)
        installation = watching(tmp_path, mistral, example.lines.pop().split()[-1])
        with installation.config.open("a") as config:
            config.write(
                '[[accounts]]\nname = "other"\nprovider = "openai"\napi_key = { env = "MISTRAL_API_KEY" }\n'
                f'base_url = "{openai.url}"\npoll_interval = "100ms"\nrequests_per_second = 50\n'
            )
        begun = [(simulator, begin(simulator, len(ENDS))) for simulator in (mistral, openai)]
        async with installation.running():
            await installation.wait_for_events(lambda events: len(events) == 24)  # they all run
            for simulator, ids in begun:
                for each, how in zip(ids, ENDS, strict=True):
                    end(simulator, each, how)
            await example.says(lambda lines: len(lines) == 2 * len(ENDS))
    lines = [json.loads(line) for line in example.lines]
    of_vendor = {"mistral": [], "openai": []}
    for line in lines:
        of_vendor[line["vendor"]].append((line["outcome"], line["succeeded"], line["of"]))
    assert sorted(of_vendor["mistral"]) == sorted(of_vendor["openai"])
    assert {outcome for outcome, *_ in of_vendor["openai"]} == {*ENDS}
    assert {line["account"] for line in lines if line["vendor"] == "openai"} == {"other"}


def of_jobs(events):
    """Without those that say of the receiver that it fails: they are for others."""
    return [event for event in events if event["type"].startswith("batch.")]


def watching(folder, simulator, url):
    installation = Installation(folder, simulator.url, poll_interval="100ms")
    installation.environment["SECRET"] = SECRET
    with installation.config.open("a") as config:
        config.write(
            f'[[receivers]]\nname = "pipeline"\nkind = "webhook"\nurl = "{url}"\nsecret = {{ env = "SECRET" }}\n'
            'retry = ["200ms", "200ms", "200ms", "500ms", "1s", "1s", "1s", "1s", "1s", "1s"]\nhold = "forever"\n'
        )
    return installation


async def forge(url):
    """Send what is not signed, signed by another, too large, or no POST at all."""
    forged = {"webhook-id": "evt_1", "webhook-timestamp": "1750000000", "webhook-signature": "v1,AAAA"}
    async with httpx.AsyncClient() as client:
        answers = [
            await client.post(url, content=b"{}", headers=headers) for headers in ({}, forged, forged | {"webhook-id": "x"})
        ]
        assert [answer.status_code for answer in answers] == [401] * 3
        assert (await client.post(url, content=b"\xff\xfe", headers=forged)).status_code == 401
        assert (await client.get(url)).status_code in (405, 501)


async def settled(installation, least=1):
    """Until every delivery has been delivered, and there are at least `least`."""
    with anyio.fail_after(30):
        while True:
            listed = await installation.command("deliveries", "--json")
            states = [json.loads(line)["state"] for line in listed.stdout.splitlines()]
            if len(states) >= least and {*states} <= {"delivered", "superseded"}:
                return


@pytest.mark.slow
async def test_receiver_answers_before_it_has_worked(tmp_path):
    """Where the work takes long, the daemon has its answers long before that is done."""
    (example,) = [copied(tmp_path, "receiver.py")]
    source = example.read_text("utf-8")
    slow = source.replace("    print(json.dumps(", "    threading.Event().wait(600)\n    print(json.dumps(")
    assert slow != source
    example.write_text(slow, "utf-8")
    receiver = Example(
        [sys.executable, str(example)], {"WEBHOOK_SECRET": SECRET, "INBOX": str(tmp_path / "inbox.db"), "PORT": "0"}
    )
    async with simulated() as simulator, receiver.running():
        ids = begin(simulator, 3)
        await receiver.says(lambda lines: lines)
        installation = watching(tmp_path, simulator, receiver.lines[0].split()[-1])
        async with installation.running():
            await installation.wait_for_events(lambda events: len(events) == 6)  # on first contact they all run
            for each in ids:
                end(simulator, each)
            await installation.wait_for_events(lambda events: len(events) == 9)
            await settled(installation, 3)


@pytest.mark.slow
async def test_stream_is_followed_through_kills_without_loss_or_repetition(tmp_path):
    """The reader and the daemon are killed in turn; in the end what it counted is the log, to the event."""
    async with simulated(jobs=12, speed=100) as simulator:
        installation = Installation(tmp_path, simulator.url, poll_interval="50ms")
        state = tmp_path / "follow.db"
        reader = Example([sys.executable, str(EXAMPLES / "follow.py")], {"STATE": str(state)})
        for enough in (30, 80, 150):
            async with installation.running() as daemon:
                reader._environment["TRACKER_URL"] = daemon.url
                async with reader.running():
                    await reader.says(lambda lines, enough=enough: len(lines) >= enough)
                if enough == 150:
                    assert await daemon.stop(signal.SIGTERM) == 0
        events = await installation.wait_for_events(lambda _: True)
        async with installation.running() as daemon:
            reader._environment["TRACKER_URL"] = daemon.url
            async with reader.running():
                await reader.says(lambda lines: int(lines[-1].split()[0]) >= events[-1]["seq"])
            await daemon.stop(signal.SIGTERM)
        events = await installation.wait_for_events(lambda _: True)
    with closing(sqlite3.connect(state)) as database:
        (place,) = database.execute("SELECT seq FROM place").fetchone()
        counts = dict(database.execute("SELECT type, events FROM counts"))
    assert place >= 150
    assert counts == Counter(event["type"] for event in events if event["seq"] <= place)


async def test_stream_is_followed_from_the_end_of_a_restored_log(tmp_path):
    """A reader that is further than the log goes says so, and goes on with what is logged from then on."""
    state = tmp_path / "follow.db"
    with closing(sqlite3.connect(state)) as database, database:
        database.execute("CREATE TABLE place (seq INTEGER)")
        database.execute("INSERT INTO place VALUES (1000000)")
    async with served_application(tmp_path / "tracker.db") as app:
        await app.store.record("one", seen_many(5))
        environment = {"STATE": str(state), "TRACKER_URL": str(app.client.base_url)}
        reader = Example(["sh", "-c", 'exec 2>&1; exec "$0" "$1"', sys.executable, str(EXAMPLES / "follow.py")], environment)
        async with reader.running():
            await reader.says(lambda lines: "the log ends at 5, not at 1000000: it was replaced" in lines)
            await app.store.record("one", seen_many(1, "more"))
            await reader.says(lambda lines: lines[-1].startswith("6 "))
    assert reader.lines[-1].startswith("6 batch.created")


async def test_line_of_curl_shows_the_log(tmp_path):
    """The README's line gives the events as JSON, from the beginning or from any place on, as they come."""
    (line,) = re.findall(r"```sh\n(.+)\n```", (EXAMPLES / "README.md").read_text("utf-8"))
    program("curl", "curl")
    async with simulated(jobs=5, speed=100) as simulator:
        installation = Installation(tmp_path, simulator.url, poll_interval="50ms")
        async with installation.running() as daemon:
            for environment, first in (({}, 1), ({"SEQ": "7"}, 8)):
                curl = Example(
                    ["sh", "-c", f"exec 2>&1; {line}"], {"TRACKER_URL": daemon.url, "PATH": os.environ["PATH"]} | environment
                )
                async with curl.running():
                    await curl.says(lambda lines: len([line for line in lines if line]) >= 20)
                seqs = [json.loads(line)["seq"] for line in curl.lines if line]
                assert seqs == list(range(first, first + len(seqs)))


@pytest.mark.parametrize("way", matrix(["partial", "success", "all_failed"]))
async def test_pipeline_submits_waits_and_downloads(tmp_path, way):
    """Under `sh` it ends with the status of `wait` and the result of each request in a file; the key is in no command line."""
    program("jq", "jq")
    names = {f"request {number}" for number in range(30)}
    requests = tmp_path / "requests.jsonl"
    requests.write_text("\n".join(json.dumps({"custom_id": name, "body": {"max_tokens": 8}}) for name in names))
    async with simulated(speed=300, api_keys=("canary-key-3141",)) as simulator:
        installation = Installation(tmp_path, simulator.url, poll_interval="50ms")
        let_jobs_end(simulator, way)
        environment = installation.environment | {
            "MISTRAL_URL": simulator.url,
            "PATH": path_with_commands(tmp_path, installation),
        }
        with anyio.fail_after(60):
            done = await anyio.run_process(
                ["sh", str(EXAMPLES / "submit-wait-download.sh"), str(requests)], check=False, cwd=tmp_path, env=environment
            )
        job_id = re.search("submitted (.+)", done.stderr.decode())[1]
        job = json.loads((await installation.command("wait", job_id, "--json")).stdout)
    assert done.returncode == (0 if way == "success" else 1), done.stderr
    assert (job["result"], job["total_requests"]) == (way, 30)
    kinds = {"success": ["output"], "partial": ["output", "error"], "all_failed": ["error"]}[way]
    assert done.stdout.decode().split() == [f"results/{job_id}-{kind}.jsonl" for kind in kinds]
    paths = map(tmp_path.joinpath, done.stdout.decode().split())
    results = [json.loads(line) for path in paths for line in path.read_text().splitlines() if line]
    assert len(results) == 30
    named = [result["custom_id"] for result in results if result.get("custom_id")]
    assert len(named) == len({*named} & names) >= job["succeeded_requests"]
    curl = (tmp_path / "curl.log").read_text()
    assert "/v1/batch/jobs" in curl
    assert "canary" not in curl


def path_with_commands(folder, installation):
    """A PATH where `batch-tracker` has the configuration, and `curl` writes its command lines into `curl.log`."""
    commands = {
        "batch-tracker": f'exec {" ".join(COMMAND)} --config {installation.config} "$@"',
        "curl": f'printf "%s " "$@" >>{folder}/curl.log\nexec {program("curl", "curl")} "$@"',
    }
    (folder / "bin").mkdir()
    for name, line in commands.items():
        command = folder / "bin" / name
        command.write_text(f"#!/bin/sh\n{line}\n")
        command.chmod(0o755)
    return f"{folder / 'bin'}:{os.environ['PATH']}"


def let_jobs_end(simulator, way):
    """Let what is submitted end that way, though its metadata does not ask for it."""
    plan = simulator.population.plan
    simulator.population.plan = lambda at, _end=None, **submitted: plan(at, way, **submitted)
