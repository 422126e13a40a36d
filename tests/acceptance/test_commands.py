"""The commands that read and show, run as a user would, beside a running daemon and after it."""

import json
import re
import shlex
import signal
import sqlite3
import subprocess
from contextlib import closing
from itertools import pairwise

import anyio
import pytest
from loopback import answer, loopback, sends
from matrix import matrix
from tracking import COMMAND, Installation, simulated

from tracker.core.jobs.job import COUNTERS, PROPERTIES

pytestmark = pytest.mark.xdist_group("jobs that were watched")


@pytest.fixture(scope="module")
async def watched(tmp_path_factory, anyio_backend):  # noqa: ARG001 - an asynchronous fixture of a module needs it
    """An installation whose daemon has watched jobs for a while and was stopped: it, and its events."""
    async with simulated(jobs=15, seed=4) as simulator:
        installation = Installation(tmp_path_factory.mktemp("watched"), simulator.url)
        async with installation.running() as daemon:
            await installation.wait_for_events(
                lambda events: len({event["type"] for event in events}) >= 6 and len(events) > 60
            )
            assert await daemon.stop(signal.SIGTERM) == 0
        return installation, await installation.wait_for_events(lambda _: True)


async def test_events_are_listed_as_they_were_logged(watched):
    """`events --json` gives each event in the log's order, with the keys of the contract in their order."""
    installation, events = watched
    listed = await installation.command("events", "--json")
    assert listed.returncode == 0
    assert [json.loads(line) for line in listed.stdout.splitlines()] == events
    keys = ["id", "object", "type", "seq", "account", "created_at", "timestamp", "observed_at", "changes"]
    for line in listed.stdout.splitlines():
        event = json.loads(line)
        outcome = ["outcome"] if event["type"] == "batch.completed" else []
        assert list(event) == [*keys, *outcome, "data"]
        assert set(PROPERTIES) - {"agent_id", "errors", "outputs"} <= event["data"].keys()
        assert event["data"]["priority_tier"] == "standard", "an undocumented property is kept"


@pytest.mark.parametrize(
    ("options", "wanted"),
    matrix(
        [
            (("--after", "40"), lambda event: event["seq"] > 40),
            (
                ("--type", "batch.c*", "--type", "batch.failed"),
                lambda e: e["type"].startswith("batch.c") or e["type"] == "batch.failed",
            ),
        ]
    ),
)
async def test_events_are_filtered(watched, options, wanted):
    """Each filter shows just the events that it is for."""
    installation, events = watched
    listed = await installation.command("events", "--json", *options)
    assert [json.loads(line) for line in listed.stdout.splitlines()] == [event for event in events if wanted(event)]


@pytest.mark.parametrize("options", matrix(["--follow", "", "--limit 3"]))
async def test_events_after_the_end_of_the_log_are_a_mistake(watched, options):
    """A place beyond the end of the log, as after a restore, is exit status 1, also where the log is followed."""
    installation, events = watched
    beyond = await installation.command("events", "--json", "--after", str(len(events) + 1), *options.split())
    assert (beyond.returncode, beyond.stdout) == (1, "")
    assert f"found {len(events) + 1}, but the log ends at {len(events)}" in beyond.stderr


async def test_end_of_the_log_is_no_mistake(watched):
    """After the last event there is nothing to list, with exit status 0."""
    installation, events = watched
    at_the_end = await installation.command("events", "--json", "--after", str(len(events)))
    assert (at_the_end.returncode, at_the_end.stdout) == (0, "")


async def test_job_is_shown_by_the_beginning_of_its_id(watched):
    """`job` shows the properties and the timeline, and as JSON the job as the log's last event has it."""
    installation, events = watched
    job_id = events[-1]["data"]["id"]
    shown = await installation.command("job", job_id[:13])
    assert job_id in shown.stdout
    assert all(event["type"] in shown.stdout for event in events if event["data"]["id"] == job_id)
    progress = [line for line in shown.stdout.splitlines() if " batch.progress " in line]
    assert all("batch.progress" not in before for before, after in pairwise(shown.stdout.splitlines()) if after in progress), (
        "folded"
    )
    as_json = json.loads((await installation.command("job", job_id, "--json")).stdout)
    assert events[-1]["data"].items() <= as_json.items()


@pytest.mark.parametrize("command", matrix(["job", "events --job", "deliveries --job"]))
async def test_job_that_is_not_one_is_reported(watched, command):
    """No such job is status 1, an empty ID is status 2, wherever an ID is taken; both are said on standard error."""
    installation, _ = watched
    for status, prefix, said in ((1, "zzz", "no job's ID starts with zzz"), (2, "", "an ID is empty")):
        done = await installation.command(*command.split(), prefix)
        assert (done.returncode, done.stdout) == (status, "")
        assert said in done.stderr


async def test_jobs_are_listed_active_first(watched):
    """`jobs` lists every job once; filters by status; the table names what the JSON holds."""
    installation, events = watched
    jobs = [json.loads(line) for line in (await installation.command("jobs", "--json")).stdout.splitlines()]
    assert {job["id"] for job in jobs} == {event["data"]["id"] for event in events}
    activity = [job["completed_at"] is None for job in jobs]
    assert activity == sorted(activity, reverse=True)
    some = await installation.command("jobs", "--json", "--status", "success", "--limit", "2")
    assert [json.loads(line)["status"] for line in some.stdout.splitlines()] == ["SUCCESS", "SUCCESS"]
    table = (await installation.command("jobs", "--limit", str(len(jobs)))).stdout  # a slow machine has more than the default
    assert all(job["id"] in table and job["model"] in table for job in jobs)


async def test_following_shows_what_is_logged_from_now_on(tmp_path):
    """`events --follow` goes on with the log while the daemon writes it, and Ctrl-C ends it with status 0."""
    async with simulated(jobs=10) as simulator:
        installation = Installation(tmp_path, simulator.url)
        async with installation.running():
            await installation.wait_for_events(lambda events: len(events) > 3)
            command = [*COMMAND, "--config", str(installation.config), "events", "--json", "--follow"]
            async with await anyio.open_process(command, stderr=None) as following:
                seen = b""
                with anyio.fail_after(30):
                    async for chunk in following.stdout:
                        seen += chunk
                        if seen.count(b"\n") > 40:
                            break
                following.send_signal(signal.SIGINT)
                assert await following.wait() == 0
            seqs = [json.loads(line)["seq"] for line in seen.splitlines()[:40]]
            assert seqs == list(range(1, 41))


async def test_verify_reports_a_tampered_table(watched, tmp_path):
    """`verify` ends with 0 where log and table agree, with 1 and the difference where they do not."""
    installation, events = watched
    agreed = await installation.command("verify")
    assert (agreed.returncode, f"{len(events)} events" in agreed.stdout) == (0, True)
    tampered = Installation(tmp_path, "http://127.0.0.1:1")
    with closing(sqlite3.connect(installation.database)) as source, closing(sqlite3.connect(tampered.database)) as target:
        source.backup(target)
        with target:
            target.execute("UPDATE jobs SET status = 'FAILED' WHERE id = ?", (events[-1]["data"]["id"],))
    differs = await tampered.command("verify")
    assert differs.returncode == 1
    assert events[-1]["data"]["id"] in differs.stdout
    assert "'FAILED'" in differs.stdout


async def test_check_shows_which_jobs_cannot_be_read(tmp_path):
    """Jobs that no one could watch are counted and named with the reason, and the status is 1, though the account answers."""
    good = {"id": "good", "status": "QUEUED", "created_at": 1_795_000_000} | dict.fromkeys(COUNTERS, 0)
    bad = [{"status": "QUEUED"}, {"status": "RUNNING"}, *({"id": f"bad-{number}"} for number in range(4))]
    page = json.dumps({"data": [good, *bad], "total": 7}).encode()
    async with loopback(sends(answer(page))) as server:
        done = await Installation(tmp_path, server.url).command("check", "--online")
    assert done.returncode == 1
    assert "account   default: answers, 7 jobs; 6 of the 7 on the page cannot be read and are not watched: " in done.stderr
    assert all(part in done.stderr for part in ("2 without an id: ", "bad-0: ", "bad-1: ", "and 2 more"))


@pytest.mark.parametrize(
    ("scene", "said"),
    matrix(
        [
            (answer(b'{"message": "Unauthorized"}', 401), "unauthorised: HTTP 401: Unauthorized; the key is not accepted: "),
            (
                answer(b"<title>Welcome</title>", 404),
                "not_found: HTTP 404: an HTML page titled Welcome; there is no batch API at {url}",
            ),
            (
                answer(b"<title>Welcome</title>"),
                "malformed: expected JSON, found an HTML page titled Welcome; is `base_url` {url} ",
            ),
            (b"SSH-2.0\r\n\r\n", "network: {url}: the answer is not valid HTTP: "),
        ],
    ),
    ids=["wrong key", "no such page", "a web site", "no HTTP"],
)
async def test_check_shows_what_is_wrong_with_an_account(tmp_path, scene, said):
    """A wrong key and a wrong URL are said in words with what to check, not as an answer's raw body or an exception."""
    async with loopback(sends(scene, keeps=False)) as server:
        done = await Installation(tmp_path, server.url).command("check", "--online")
    assert done.returncode == 1
    assert f"account   default: {said.format(url=server.url)}" in done.stderr


@pytest.mark.slow
async def test_check_shows_whether_the_accounts_answer(tmp_path):
    """`check` reads the configuration alone; `--online` makes one call per account and ends with 1 if one fails.

    A gateway, which any other base URL is, gets one more, with a filter.
    """
    async with simulated(jobs=5, api_keys=("canary-key-3141",)) as simulator:
        installation = Installation(tmp_path, simulator.url)
        offline = await installation.command("check")
        assert (offline.returncode, simulator.requests.total()) == (0, 0)
        assert str(installation.database) in offline.stdout
        online = await installation.command("check", "--online")
        assert (online.returncode, simulator.requests.total()) == (0, 2)
        assert "account   default: answers" in online.stdout
        installation.environment["MISTRAL_API_KEY"] = "another"
        refused = await installation.command("check", "--online")
        assert (refused.returncode, simulator.requests.total()) == (1, 3)
        assert "account   default: unauthorised: HTTP 401" in refused.stderr


@pytest.mark.parametrize("command", matrix(["jobs", "events", "job x", "verify"]))
async def test_missing_database_is_reported(tmp_path, command):
    """What reads the log says that there is none, where it looked and what to do, with status 1."""
    done = await Installation(tmp_path, "http://127.0.0.1:1").command(*command.split())
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{tmp_path / 'tracker.db'}: there is no database" in done.stderr


@pytest.mark.slow
async def test_closed_pipe_is_no_error_to_look_at(watched):
    """`events | head` ends without a traceback."""
    installation, _ = watched
    command = " ".join([*COMMAND, "--config", str(installation.config), "events", "--json", "|", "head", "-n", "1"])
    done = await anyio.run_process(["bash", "-c", command], check=False)
    assert (done.stdout.count(b"\n"), done.stderr) == (1, b"")


async def test_demo_runs_by_itself(tmp_path):
    """`demo --duration` prints plain lines into a pipe: where to look, the events, a summary; and leaves nothing behind."""
    with anyio.fail_after(30):
        done = await anyio.run_process([*COMMAND, "demo", "--duration", "3s"], check=False, env={"TMPDIR": str(tmp_path)})
    said = done.stdout.decode()
    assert (done.returncode, done.stderr) == (0, b"")
    assert "http://127.0.0.1:" in said
    assert "batch.created" in said
    assert "events of" in said.splitlines()[-2]
    assert "\x1b" not in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_demo_shows_why_requests_failed_and_what_was_used(tmp_path):
    """After the results of a job that failed in part are archived, the end of the demo has its digest, and a total of usage."""
    async with await anyio.open_process([*COMMAND, "demo"], stderr=None, env={"TMPDIR": str(tmp_path)}) as demo:
        said = ""
        with anyio.fail_after(60):
            while not re.search(r"batch\.archived .*error file", said):
                said += (await demo.stdout.receive()).decode()
            demo.send_signal(signal.SIGINT)
            said += b"".join([part async for part in demo.stdout]).decode()
            assert await demo.wait() == 0
    usage, why = said.split("\n\n")[-3:-1]
    title, header, *rows = usage.splitlines()
    assert re.fullmatch(r"Usage in the archived results of \d+ jobs?:", title)
    assert header.split()[:4] == ["model", "jobs", "requests", "prompt"]
    assert [row.split()[0] for row in rows].count("total") == (len(rows) > 1)
    assert re.match(r"Why \d+ requests of job (?:batch_)?[0-9a-f]{8} failed:\n  [\d,]+ requests?: .+", why), why
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
async def test_commands_work_with_the_configuration_of_the_demo(tmp_path):
    """In another terminal: it has the account, both receivers, and their secrets."""
    async with await anyio.open_process([*COMMAND, "demo"], stderr=None, env={"TMPDIR": str(tmp_path)}) as demo:
        said = ""
        with anyio.fail_after(60):
            while "batch.created" not in said:
                said += (await demo.stdout.receive()).decode()
            configured = [*COMMAND, "--config", re.search(r"--config (\S+)", said)[1]]
            checked = await anyio.run_process([*configured, "check", "--online"], check=False)
            sent = await anyio.run_process([*configured, "send-test", "pipeline"], check=False)
            watched = await anyio.run_process([*configured, "top"], check=False)
            demo.send_signal(signal.SIGINT)
            async for _ in demo.stdout:
                pass
    assert (checked.returncode, sent.returncode, watched.returncode) == (0, 0, 0)
    assert (checked.stderr, sent.stderr, watched.stderr) == (b"", b"", b"")
    assert re.search(r"account +mistral +ok", watched.stdout.decode())


@pytest.mark.slow
async def test_demo_ends_with_the_signal(tmp_path):
    """Ctrl-C ends the demo with status 0."""
    async with await anyio.open_process([*COMMAND, "demo"], stderr=None, env={"TMPDIR": str(tmp_path)}) as demo:
        with anyio.fail_after(30):
            await demo.stdout.receive()
            demo.send_signal(signal.SIGINT)
            async for _ in demo.stdout:
                pass
            assert await demo.wait() == 0


async def test_simulate_serves_until_stopped(tmp_path):
    """`simulate` says where it listens, asks for its key, and ends on SIGTERM with status 0; what it prints can be pasted."""
    command = [*COMMAND, "simulate", "--listen", "127.0.0.1:0", "--api-key", "the right"]
    async with await anyio.open_process(command, stderr=None) as simulate:
        with anyio.fail_after(30):
            said = (await simulate.stdout.receive()).decode()
            url = re.search(r'server_url="(.*?)", api_key="the right"', said)[1]
            wrong, right = [await _status(f"{url}/v1/batch/jobs", key) for key in ("wrong", "the right")]
            config = tmp_path / "pasted.toml"
            config.write_text(f'[storage]\npath = "{tmp_path}/tracker.db"\n{said[said.index("[[accounts]]") :]}')
            (export,) = re.findall(r"^ *export .*", said, re.MULTILINE)
            check = f"{export}\n{shlex.join([*COMMAND, '--config', str(config), 'check', '--online'])}"
            pasted = await anyio.run_process(["sh", "-c", check], check=False, stderr=subprocess.STDOUT)
            simulate.send_signal(signal.SIGTERM)
            assert await simulate.wait() == 0
    assert (wrong, right) == (401, 200)
    assert (pasted.returncode, b"simulated: answers" in pasted.stdout) == (0, True), pasted.stdout


async def _status(url, key):
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", f"Authorization: Bearer {key}", url]
    return int((await anyio.run_process(command, stderr=subprocess.DEVNULL)).stdout)
