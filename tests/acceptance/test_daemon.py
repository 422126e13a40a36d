"""The daemon as a process: how it starts, what it answers, what it says, and how it ends."""

import json
import os
import signal

import anyio
import httpx
import pytest
from matrix import matrix
from tracking import COMMAND, Installation, simulated


@pytest.mark.parametrize("number", matrix([signal.SIGTERM, signal.SIGINT]))
@pytest.mark.parametrize("faults", matrix(["hang:1", "any:0", "drip:1", "429:1"]))
async def test_signal_ends_it_within_five_seconds_with_status_0(tmp_path, number, faults):
    """However the API behaves, a signal ends the daemon soon, and with success."""
    async with simulated(jobs=20, faults=faults) as simulator:
        installation = Installation(tmp_path, simulator.url, request_timeout="60s")
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url) as client:
            while not simulator.requests["list"]:
                await client.get("/healthz")
            with anyio.fail_after(5):
                assert await daemon.stop(number) == 0
    logged = [
        line["event"] for line in daemon.lines if line["event"] not in ("account.backfilled", "batch.at_risk")
    ]  # by the sweep that was under way
    assert logged[-2:] == ["process.stopping", "process.stopped"]


async def test_readiness_waits_for_every_account_and_the_store(tmp_path):
    """/readyz is 503 with the reason until the account was swept; /healthz and /metrics answer all the time."""
    async with simulated(jobs=5, faults="hang:1") as simulator:
        installation = Installation(tmp_path, simulator.url, request_timeout="30s")
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url) as client:
            waiting = await client.get("/readyz")
            assert (waiting.status_code, waiting.json()["reasons"]) == (503, ["account default: not swept yet"])
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            assert (await client.get("/")).status_code == 200
            assert 'batchtracker_sweeps_total{account="default",result="ok"} 0.0' in (await client.get("/metrics")).text


@pytest.mark.parametrize(("fault", "reason"), matrix([("401", "unauthorised"), ("402", "not_enabled"), ("any:0", None)]))
async def test_ready_means_swept_or_known_to_fail(tmp_path, fault, reason):
    """An account whose failure is known does not keep the daemon from being ready, and the failure is reported."""
    async with simulated(jobs=5, faults=fault if ":" in fault else f"{fault}:1") as simulator:
        installation = Installation(tmp_path, simulator.url)
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url) as client:
            with anyio.fail_after(20):
                while (answer := await client.get("/readyz")).status_code != 200:
                    pass
            assert answer.json()["accounts"]["default"]["failure"] == reason
            if reason:
                assert (await daemon.says("sweep.failed"))["reason"] == reason


@pytest.mark.slow
async def test_second_daemon_on_one_database_is_refused(tmp_path):
    """Two processes never write to one file: the second says who holds it and ends with status 1."""
    async with simulated() as simulator:
        installation = Installation(tmp_path, simulator.url)
        async with installation.running() as daemon:
            second = await installation.command("run")
            assert second.returncode == 1
            assert f"process {daemon.process.pid}" in second.stderr
            assert "Traceback" not in second.stderr


async def test_loop_that_dies_takes_the_process_with_it(tmp_path):
    """An unforeseen exception ends the process with status 1, its traceback in one line of the log."""
    async with simulated() as simulator:
        installation = Installation(tmp_path, simulator.url)
        broken = tmp_path / "sitecustomize.py"
        broken.write_text(
            "import tracker.polling.poller\n"
            "async def poll_once(self):\n"
            "    raise ZeroDivisionError('planted')\n"
            "tracker.polling.poller.Poller.poll_once = poll_once\n"
        )
        installation.environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        died = await installation.command("run")
    assert died.returncode == 1
    last = json.loads(died.stderr.splitlines()[-1])
    assert (last["event"], last["level"]) == ("process.crashed", "critical")
    assert "ZeroDivisionError: planted" in last["exception"]


@pytest.mark.slow
async def test_key_is_nowhere(tmp_path):
    """The API key is in no log line, page, metric or database row, not even when the API repeats it in an error."""
    async with simulated(jobs=10, faults="any:0.3") as simulator:
        installation = Installation(tmp_path, simulator.url, request_timeout="300ms")
        key = installation.environment["MISTRAL_API_KEY"]
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url) as client:
            await installation.wait_for_events(lambda events: len(events) > 20)
            pages = [(await client.get(path)).text for path in ("/", "/metrics", "/readyz", "/healthz", "/nothing")]
            await daemon.stop(signal.SIGTERM)
    assert key not in "".join(pages)
    assert key not in json.dumps(daemon.lines)
    assert all(key.encode() not in path.read_bytes() for path in tmp_path.glob("tracker.db*"))


async def test_bad_account_never_delays_another(tmp_path):
    """While one account hangs, the other is swept and its jobs are logged."""
    async with simulated(faults="hang:1") as broken, simulated(jobs=10, seed=5) as sound:
        installation = Installation(tmp_path, broken.url, request_timeout="60s")
        with installation.config.open("a") as config:
            config.write(f'[[accounts]]\nname = "sound"\napi_key = {{ env = "MISTRAL_API_KEY" }}\nbase_url = "{sound.url}"\n')
        async with installation.running():
            events = await installation.wait_for_events(lambda events: len(events) > 5)
    assert {event["account"] for event in events} == {"sound"}


async def test_database_that_was_deleted_is_missed(tmp_path):
    """A daemon whose file is gone does not go on writing into nothing: it is not ready, and says so."""
    async with simulated(jobs=20) as simulator:
        installation = Installation(tmp_path, simulator.url)
        async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url) as client:
            await installation.wait_for_events(lambda events: len(events) > 5)
            installation.database.unlink()
            await daemon.says("storage.failed")
            answer = await client.get("/readyz")
            assert answer.status_code == 503
            assert answer.json()["reasons"][0].startswith("storage: ")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    matrix(
        [
            (["--config", "/nonexistent.toml", "run"], 2, "/nonexistent.toml: cannot be read: No such file or directory"),
            (["run", "--nonsense"], 2, "No such option"),
            (["nonsense"], 2, "there is no command 'nonsense'"),
            (["simulate", "--listen", "nowhere"], 2, "found 'nowhere', expected HOST:PORT"),
            (["simulate", "--fault", "flood:0.1"], 2, "found 'flood', expected any or one of 429"),
            (["simulate", "--fault", "429:2"], 2, "expected KIND:P "),
            (["simulate", "--fault", "429:0.6", "--fault", "500:0.6"], 2, "sum up to 1.2, expected at most 1"),
            (["simulate", "--listen", "192.0.2.1:1"], 1, "cannot listen on 192.0.2.1 port 1"),
            (["demo", "--duration", "soon"], 2, "found 'soon', expected a duration"),
        ]
    ),
)
async def test_wrong_use_is_reported_in_words(arguments, status, said):
    """Usage and configuration errors end with status 2, others with 1; none with a traceback."""
    done = await anyio.run_process([*COMMAND, *arguments], check=False, env={"COLUMNS": "300"})
    output = done.stderr.decode()
    assert (done.returncode, "Traceback" in output) == (status, False), output
    assert said in output


async def test_quiet_day_is_quiet(tmp_path):
    """While jobs go their way and every sweep is good the log says no more than at its start."""
    async with simulated(jobs=30, speed=2.0) as simulator:
        installation = Installation(tmp_path, simulator.url, poll_interval="100ms", backfill="0s")
        async with installation.running() as daemon:
            await installation.wait_for_events(lambda events: len(events) > 10 and simulator.requests["list"] > 10)
            assert await daemon.stop(signal.SIGTERM) == 0
    said = [(line["level"], line["event"]) for line in daemon.lines if not line["event"].startswith("batch.")]
    assert said == [
        ("info", "process.started"),
        ("info", "account.backfilled"),
        ("info", "process.stopping"),
        ("info", "process.stopped"),
    ]
    ends = {"batch.completed", "batch.failed", "batch.expired", "batch.cancelled", "batch.at_risk"}
    assert {line["event"] for line in daemon.lines if line["event"].startswith("batch.")} <= ends


@pytest.mark.slow
async def test_failure_that_goes_on_is_one_line_until_the_end(tmp_path):
    """Of many failed sweeps the first is said at once; the rest, counted, at the end, and the metrics have them all."""
    installation = Installation(tmp_path, "http://127.0.0.1:1", poll_interval="50ms")
    failed = 'batchtracker_sweeps_total{account="default",result="network"} '
    async with installation.running() as daemon, httpx.AsyncClient(base_url=daemon.url) as client:
        sweeps = 0.0
        with anyio.fail_after(30):
            while sweeps < 4:
                sweeps = float((await client.get("/metrics")).text.partition(failed)[2].partition("\n")[0])
        said = [line for line in daemon.lines if line["event"] == "sweep.failed"]
        assert await daemon.stop(signal.SIGTERM) == 0
    assert [line["failed_sweeps"] for line in said] == [1]
    (first, rest) = [line for line in daemon.lines if line["event"] == "sweep.failed"]
    assert first == said[0]
    assert rest["times"] == rest["failed_sweeps"] - 1 >= sweeps - 1


async def test_what_is_insecure_is_logged_at_the_start_and_after_a_reload(tmp_path):
    """The daemon warns, as `check` does, of each file that others may change or read, and goes on."""
    async with simulated() as simulator:
        installation = Installation(tmp_path, simulator.url)
        installation.config.chmod(0o666)
        async with installation.running() as daemon:
            said = await daemon.says("configuration.insecure", level="warning", what=f"the configuration {installation.config}")
            assert (said["found"], said["remedy"]) == (
                "mode 0666, which lets every user change it",
                f"chmod go-w {installation.config}",
            )
            installation.config.chmod(0o600)
            installation.database.chmod(0o644)
            before = len(daemon.lines)
            daemon.process.send_signal(signal.SIGHUP)
            await daemon.says("configuration.insecure", after=before, what=f"the database's file {installation.database}")
            assert not [line for line in daemon.lines[before:] if "the configuration" in line.get("what", "")]
