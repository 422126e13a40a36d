"""`wait`, run as a user would: beside a daemon, without one, and beside one that dies and comes back."""

import json
import signal
import subprocess
from contextlib import asynccontextmanager

import anyio
import pytest
from matrix import matrix
from simulated_jobs import begin, end
from tracking import COMMAND, Installation, simulated

from tracker.cli.wait.api_source import MAX_SINGLE_REQUESTS

WAYS = ("success", "partial", "all_failed", "empty", "failed", "expired", "cancelled")
UNKNOWN_ID = "99999999-9999-4999-9999-999999999999"


class Waiting:
    """A `wait` that has been started: what it says, as it says it."""

    def __init__(self, process):
        self.process = process
        self.said = {"stdout": "", "stderr": ""}
        self._more = anyio.Event()
        self._ended = anyio.Event()

    async def read(self, name):
        async for chunk in getattr(self.process, name):
            self.said[name] += chunk.decode()
            self._more.set()
            self._more = anyio.Event()
        self._ended.set()
        self._more.set()

    async def says(self, words, name="stderr"):
        with anyio.fail_after(30):
            while words not in self.said[name]:
                assert not self._ended.is_set(), self.said
                await self._more.wait()

    async def status(self):
        with anyio.fail_after(30):
            await self.process.wait()
            await self._ended.wait()
        return self.process.returncode

    @property
    def results(self):
        """By ID, what `--json` said."""
        objects = [json.loads(line) for line in self.said["stdout"].splitlines()]
        assert len({each["id"] for each in objects}) == len(objects), "one object a job"
        return {each["id"]: each["result"] for each in objects}


@asynccontextmanager
async def waiting(installation, *arguments, **environment):
    command = [*COMMAND, "--config", str(installation.config), "wait", *arguments]
    async with await anyio.open_process(command, env=installation.environment | environment) as process:
        started = Waiting(process)
        async with anyio.create_task_group() as group:
            group.start_soon(started.read, "stdout")
            group.start_soon(started.read, "stderr")
            try:
                yield started
            finally:
                if process.returncode is None:
                    process.kill()


@pytest.mark.slow
async def test_beside_a_daemon_jobs_are_waited_for_by_its_log_alone(tmp_path):
    """Every kind of end is reported as it happens, without a key or a request to the API; a success is status 0."""
    async with simulated() as simulator:
        ids = begin(simulator, len(WAYS))
        installation = Installation(tmp_path, simulator.url, poll_interval="100ms")
        async with installation.running():
            await installation.wait_for_events(lambda events: len({event["data"]["id"] for event in events}) == len(ids))
            async with waiting(installation, *ids, "--json", MISTRAL_API_KEY="") as everything:
                await everything.says(ids[-1])
                for job_id, way in zip(ids, WAYS, strict=True):
                    end(simulator, job_id, way)
                    await everything.says(f'"result": "{way}"', "stdout")
                assert await everything.status() == 1
            assert everything.results == dict(zip(ids, WAYS, strict=True))
            assert everything.said["stderr"].endswith("batch-tracker: 6 of 7 jobs did not succeed in full\n")
            known = json.loads((await installation.command("job", ids[1], "--json")).stdout)
            reported = next(each for each in map(json.loads, everything.said["stdout"].splitlines()) if each["id"] == ids[1])
            assert reported == known | {"result": "partial"}
            done = await installation.command("wait", ids[0][:8], ids[0])
            assert (done.returncode, done.stderr) == (0, "")
            first, requests, file = done.stdout.splitlines()
            assert first.startswith(f"{ids[0]}  Batch completed in ")
            assert (requests, file) == ("  all 50 requests succeeded", f"  output_file  {file.split()[-1]}")


@pytest.mark.parametrize(
    ("way", "options", "status", "said"),
    matrix(
        [
            ("partial", (), 1, ["the job did not succeed in full", "--allow-partial counts a partial success as a success"]),
            ("partial", ("--allow-partial",), 0, []),
            ("all_failed", ("--allow-partial",), 1, ["the job did not succeed in full"]),
            ("success", ("--quiet",), 0, []),
            ("failed", ("--quiet",), 1, []),
        ]
    ),
)
async def test_status_without_a_daemon(tmp_path, way, options, status, said):
    """Straight against the API the status is the same, within a few requests; --quiet prints nothing, files are named."""
    async with simulated() as simulator:
        (job_id,) = begin(simulator)
        end(simulator, job_id, way)
        done = await Installation(tmp_path, simulator.url).command("wait", job_id, *options)
        assert simulator.requests == {"get": 1}
    assert done.returncode == status
    if "--quiet" in options:
        assert (done.stdout, done.stderr) == ("", "")
    else:
        summary = [f"batch-tracker: {line}" for line in said]
        assert done.stderr.splitlines() == ["no daemon is running: asking the API itself", *summary]
        assert ("error_file" in done.stdout, "output_file" in done.stdout) == (way != "success", way != "all_failed")


@pytest.mark.slow
async def test_without_a_daemon_many_are_listed_and_progress_is_reported_seldom(tmp_path):
    """Ten jobs cost a list a look, not ten requests, found by the beginnings of their IDs; a line per status and tenth."""
    async with simulated() as simulator:
        ids = begin(simulator, 10, requests=1000)
        installation = Installation(tmp_path, simulator.url, poll_interval="50ms", requests_per_second=100)
        async with waiting(installation, *(each[:8] for each in ids)) as waited:
            await waited.says(ids[-1])
            assert simulator.requests["get"] == 0
            for each in ids:  # each end takes a look at all the others
                end(simulator, each)
                await waited.says(each, "stdout")
            assert await waited.status() == 0
    assert simulator.requests["get"] <= 2 * len(ids)
    assert simulator.requests["list"] >= len(ids) - MAX_SINGLE_REQUESTS
    assert waited.said["stderr"].count("RUNNING") == len(ids), "nothing has changed: nothing is said"


@pytest.mark.slow
async def test_daemon_that_dies_is_made_up_for_and_followed_again(tmp_path):
    """After kill -9 the API is asked, what ends then is reported; with the daemon back its log is followed again."""
    async with simulated() as simulator:
        first, second, third = begin(simulator, 3)
        installation = Installation(tmp_path, simulator.url, poll_interval="100ms")
        async with installation.running() as daemon:
            await installation.wait_for_events(lambda events: len({event["data"]["id"] for event in events}) == 3)
            async with waiting(installation, first, second, third, "--json") as waited:
                await waited.says(third)
                assert await daemon.stop(signal.SIGKILL) == -signal.SIGKILL
                await waited.says("the daemon has stopped\nno daemon is running: asking the API itself\n")
                end(simulator, first, "partial")
                await waited.says(first, "stdout")
                async with installation.running():
                    await waited.says("the daemon is back: following its log")
                    end(simulator, second)
                    await waited.says(second, "stdout")
                    end(simulator, third)
                    assert await waited.status() == 1
    assert waited.results == {first: "partial", second: "success", third: "success"}


@pytest.mark.slow
async def test_daemon_that_dies_is_waited_for_where_there_is_no_key(tmp_path):
    """Who cannot ask the API waits until the daemon is back, and says so."""
    async with simulated() as simulator:
        (job_id,) = begin(simulator)
        installation = Installation(tmp_path, simulator.url, poll_interval="100ms")
        async with installation.running() as daemon:
            await installation.wait_for_events(lambda events: len(events) == 2)
            async with waiting(installation, job_id, MISTRAL_API_KEY="") as waited:
                await waited.says("RUNNING")
                await daemon.stop(signal.SIGKILL)
                await waited.says("waiting for the daemon to come back, as the API cannot be asked without a key")
                end(simulator, job_id)
                async with installation.running():
                    assert await waited.status() == 0


@pytest.mark.slow
async def test_job_that_was_only_just_submitted(tmp_path):
    """A job that the daemon has not seen yet is looked for at the API; one that is nowhere is unknown."""
    async with simulated() as simulator:
        installation = Installation(tmp_path, simulator.url, poll_interval="1h")
        async with installation.running() as daemon:
            await daemon.says("process.started")
            (job_id,) = begin(simulator, created=0.0)
            end(simulator, job_id)
            done = await installation.command("wait", job_id, UNKNOWN_ID, "--json")
    results = {each["id"]: each["result"] for each in map(json.loads, done.stdout.splitlines())}
    assert (done.returncode, results) == (2, {job_id: "success", UNKNOWN_ID: "unknown"})
    assert done.stderr.endswith("batch-tracker: 1 of 2 jobs is unknown\n")


@pytest.mark.parametrize("name", matrix(["SIGINT", "SIGTERM"]))
async def test_signal_ends_the_waiting_and_not_the_job(tmp_path, name):
    """Ctrl-C is status 130, SIGTERM 143, in a moment; it is said what still goes on."""
    async with simulated() as simulator:
        (job_id,) = begin(simulator)
        async with waiting(Installation(tmp_path, simulator.url), job_id) as waited:
            await waited.says("RUNNING")
            waited.process.send_signal(signal.Signals[name])
            assert await waited.status() == 128 + signal.Signals[name]
    assert waited.said["stderr"].endswith(f"no longer waiting; still active: {job_id[:8]}\n")
    assert "Traceback" not in waited.said["stderr"]


@pytest.mark.slow
async def test_timeout_is_reported(tmp_path):
    """What is not over in time is status 124, one object that says so, and no word of a failure."""
    async with simulated() as simulator:
        (job_id,) = begin(simulator)
        installation = Installation(tmp_path, simulator.url, poll_interval="100ms")
        done = await installation.command("wait", job_id, "--json", "--timeout", "1500ms")
        assert (done.returncode, json.loads(done.stdout)["result"]) == (124, "timed_out")
        assert done.stderr.endswith("batch-tracker: the job is not over after the --timeout of 2s\n")
        assert "succeed" not in done.stderr


@pytest.mark.slow
async def test_accounts_are_tried_in_turn(tmp_path):
    """The second account has the job though the first refuses us; where all refuse us it is status 2, in words."""
    async with simulated(api_keys=("another",)) as closed, simulated() as simulator:
        (job_id,) = begin(simulator)
        end(simulator, job_id)
        installation = Installation(tmp_path, closed.url)
        with installation.config.open("a") as config:
            config.write(
                f'[[accounts]]\nname = "other"\napi_key = {{ env = "MISTRAL_API_KEY" }}\nbase_url = "{simulator.url}"\n'
            )
        found = await installation.command("wait", job_id, "--json")
        assert (found.returncode, json.loads(found.stdout)["account"]) == (0, "other")
        refused = await installation.command("wait", job_id, "--account", "default")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert "account default: its key is refused (HTTP 401" in refused.stderr
        assert "canary" not in refused.stderr
        unknown = await installation.command("wait", job_id, "--account", "unknown")
        assert (unknown.returncode, "there are: default, other" in unknown.stderr) == (2, True)


@pytest.mark.slow
async def test_usage_is_status_2(tmp_path):
    """No ID, an empty one, a beginning of two, no key and no daemon: each is explained with what to do."""
    async with simulated() as simulator:
        begin(simulator, 2, prefix="aaaaaaaa")
        installation = Installation(tmp_path, simulator.url)
        several = await installation.command("wait", "aaaa")
        assert several.returncode == 2
        assert several.stderr.count("aaaaaaaa-0000") == 2
        for arguments, said in (
            ([], "Missing argument 'ID...'"),
            ([""], "an ID is empty"),
            (["x", "--timeout", "soon"], "expected a duration"),
        ):
            done = await installation.command("wait", *arguments)
            assert (done.returncode, said in done.stderr) == (2, True), done.stderr
        installation.environment = {}
        keyless = await installation.command("wait", UNKNOWN_ID)
        assert keyless.returncode == 2
        assert f"no daemon has {installation.database}" in keyless.stderr
        assert "MISTRAL_API_KEY" in keyless.stderr


def test_help_documents_the_statuses():
    """Who writes a script finds the exit statuses and an example in `wait --help`."""
    done = subprocess.run([*COMMAND, "wait", "--help"], capture_output=True, text=True, check=True)
    assert all(
        line in done.stdout for line in ("Exit status:", "  124  --timeout", "  130  Ctrl-C", "Examples:", "--allow-partial")
    )
