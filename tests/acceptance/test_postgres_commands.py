"""The real command on PostgreSQL: a daemon that watches and delivers, every command beside it, and for a role that reads."""

import json
import signal

import anyio
import httpx
import pytest
from click.testing import CliRunner, Result
from fixed_receiver import SECRET, answering
from matrix import matrix
from tcp_proxy import TcpProxy
from tracking import COMMAND, Installation, simulated

from tracker.cli import group

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("one daemon on PostgreSQL")]

PASSWORD = "canary-password-2718"

ROLES = """
CREATE ROLE "{name}" LOGIN;
GRANT USAGE ON SCHEMA batch_tracker TO "{name}";
GRANT SELECT ON ALL TABLES IN SCHEMA batch_tracker TO "{name}"
"""
JOB = {
    "endpoint": "/v1/chat/completions",
    "model": "mistral-small-latest",
    "requests": [{"custom_id": "0", "body": {"max_tokens": 8}}],
}
RECEIVERS = """
[[receivers]]
name = "pipeline"
kind = "webhook"
url = "{url}"
secret = {{ env = "SECRET" }}
events = ["batch.*"]
retry = ["1h"]
"""


class Watched(Installation):
    """An installation on PostgreSQL with one receiver."""

    async def run(self, *arguments, **environment):
        """The command's result, within this process, in a thread: that takes a tenth of the time of a process."""
        runner = CliRunner(env=self.environment | environment)
        return await anyio.to_thread.run_sync(runner.invoke, group, ["--config", str(self.config), *arguments])

    async def run_process(self, *arguments, **environment):
        """As `run`, of a process of its own, which may wait for signals; the streams are text."""
        command, environment = [*COMMAND, "--config", str(self.config), *arguments], self.environment | environment
        done = await anyio.run_process(command, check=False, env={name: each for name, each in environment.items() if each})
        return Result(CliRunner(), done.stdout, done.stderr, done.stdout + done.stderr, None, done.returncode, None)


class Lines:
    """What a process writes to one of its streams, read as it comes."""

    def __init__(self, stream):
        self.text, self._stream, self._more = "", stream, anyio.Event()

    async def read(self):
        async for chunk in self._stream:
            self.text += chunk.decode("utf-8", "replace")
            self._more.set()
            self._more = anyio.Event()

    async def have(self, words):
        with anyio.fail_after(30):
            while words not in self.text:
                await self._more.wait()


@pytest.fixture(scope="module")
def database_url(postgres_server):
    """The URL of a database for all tests of the module."""
    name = postgres_server.create_database()
    yield postgres_server.url(name, f"postgres:{PASSWORD}")  # which the server does not ask for
    postgres_server.drop_database(name)


@pytest.fixture(scope="module")
async def watched(tmp_path_factory, database_url, anyio_backend):  # noqa: ARG001 - as every asynchronous fixture of a module
    """The installation, whose daemon runs and has delivered every event of ended jobs; and the receiver."""
    async with simulated(jobs=12, seed=4, speed=600) as simulator, answering() as receiver:
        installation = Watched(tmp_path_factory.mktemp("postgres"), simulator.url, postgres_url=database_url)
        installation.environment["SECRET"], installation.api = SECRET, simulator.url
        with installation.config.open("a") as config:
            config.write(RECEIVERS.format(url=receiver.url))
        async with installation.running() as daemon:
            await installation.wait_for_events(_are_over)
            yield installation, daemon, receiver


def _are_over(events):
    ended = [event for event in events if event["data"].get("completed_at")]
    return len({event["data"]["id"] for event in ended}) >= 10


@pytest.fixture(scope="module")
def reader(postgres_server, watched, database_url):
    """The URL of a role that may read the schema and nothing else."""
    installation, *_ = watched
    name = "reader_" + database_url.rpartition("/")[2]
    for statement in ROLES.format(name=name).split(";"):
        postgres_server.fetch(statement, database=database_url.rpartition("/")[2])
    assert installation.database
    yield database_url.replace("postgres:", f"{name}:")
    postgres_server.fetch(f'DROP OWNED BY "{name}"', database=database_url.rpartition("/")[2])
    postgres_server.fetch(f'DROP ROLE "{name}"')


async def test_events_are_logged_and_delivered(watched):
    """The log has no gap, and the receiver gets each event that it wants with the log's bytes, in each job's order."""
    installation, _, receiver = watched
    events = [json.loads(line) for line in (await installation.run_process("events", "--json")).stdout.splitlines()]
    assert [event["seq"] for event in events] == [*range(1, len(events) + 1)]
    got = await receiver.wait_for(len([event for event in events if event["type"].startswith("batch.")]))
    by_job = {}
    for event in got:
        by_job.setdefault(event["data"]["id"], []).append(event["seq"])
    assert all(seqs == sorted(seqs) for seqs in by_job.values())
    logged = {event["id"]: event for event in events}
    assert all(logged[event["id"]] == event for event in got if event["id"] in logged)


READING = [
    "events --json", "jobs --json", "job {job}", "deliveries --json", "verify", "top", "replicas --leases", "check",
    "events --limit 3", "jobs", "job {job} --json", "deliveries", "results --json", "replicas",
]  # fmt: skip


@pytest.mark.parametrize("command", matrix(READING, default=8))
async def test_reading_commands_need_a_role_that_reads(watched, reader, command):
    """Each command that reads gives a role with SELECT alone what it gives the owner."""
    installation, *_ = watched
    job = json.loads((await installation.run("jobs", "--json", "--over", "--limit", "1")).stdout)["id"]
    arguments = command.format(job=job).split()
    run = installation.run_process if arguments[0] == "events" else installation.run
    done = await run(*arguments, DATABASE_URL=reader)
    assert done.exit_code == 0, done.output
    assert done.stdout
    assert "no daemon" not in done.stderr


async def test_wait_follows_the_log(watched, reader):
    """`wait` of a job that is over ends by the log alone: a role that reads and no API key will do."""
    installation, *_ = watched
    jobs = [json.loads(line) for line in (await installation.run("jobs", "--json", "--status", "success")).stdout.splitlines()]
    done = await installation.run_process("wait", "--json", jobs[0]["id"], DATABASE_URL=reader, MISTRAL_API_KEY="")
    assert json.loads(done.stdout)["id"] == jobs[0]["id"], done.stderr
    assert "asking the API" not in done.stderr


@pytest.mark.slow
async def test_following_shows_what_is_logged_from_now_on(watched, reader, postgres_server):
    """`events --follow` shows each event once, to a role that only reads, also where PostgreSQL was away; Ctrl-C ends it."""
    installation, *_ = watched
    command = [*COMMAND, "--config", str(installation.config), "events", "--json", "--after", "20", "--follow"]
    async with TcpProxy(("127.0.0.1", postgres_server.port)).serving() as proxy, anyio.create_task_group() as group:
        url = reader.replace(f":{postgres_server.port}/", f":{proxy.port}/")
        async with await anyio.open_process(command, env=installation.environment | {"DATABASE_URL": url}) as following:
            errors, output = Lines(following.stderr), Lines(following.stdout)
            group.start_soon(errors.read)
            group.start_soon(output.read)
            await output.have('"seq":21')
            proxy.reset()
            await errors.have("the log cannot be read, and is tried again")
            proxy.pass_on()
            async with httpx.AsyncClient(base_url=installation.api, headers={"authorization": "Bearer key"}) as client:
                job = (await client.post("/v1/batch/jobs", json=JOB)).json()["id"]
            await output.have(job)
            following.send_signal(signal.SIGINT)
            assert await following.wait() == 0
    seqs = [json.loads(line)["seq"] for line in output.text.splitlines()]
    assert seqs == [*range(21, 21 + len(seqs))]


async def test_replay_is_sent_by_the_daemon(watched):
    """A replay needs no control file: it is one transaction, and the replica that serves the receiver sends at once."""
    installation, _, receiver = watched
    seq = json.loads(receiver.got[0][2])["seq"]
    done = await installation.run("replay", "--receiver", "pipeline", "--seq", str(seq))
    assert (done.exit_code, done.stdout) == (0, "1 delivery to pipeline pending again; replica one sends them\n")
    while [event["seq"] for event in await receiver.wait_for(1)].count(seq) < 2:
        await receiver.wait_for(len(receiver.got) + 1)
    nothing = await installation.run("replay", "--receiver", "pipeline", "--dead")
    assert (nothing.exit_code, nothing.stdout) == (1, "")


async def test_replay_that_is_refused(watched, reader):
    """A receiver that is not configured is status 2; a role that only reads learns which right it lacks."""
    installation, *_ = watched
    done = await installation.run("replay", "--receiver", "pipelin", "--dead")
    assert (done.exit_code, "did you mean 'pipeline'" in done.stderr) == (2, True), done.output
    done = await installation.run("replay", "--receiver", "pipeline", "--seq", "2", DATABASE_URL=reader)
    assert done.exit_code == 1
    assert "the user lacks a right: permission denied" in str(done.exception)


async def test_deliveries_of_no_receiver_are_dropped(watched):
    """`deliveries --drop` of what the configuration still has is refused, and of what it lacks there is nothing."""
    installation, *_ = watched
    done = await installation.run("deliveries", "--drop", "pipeline")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "pipeline" in done.stderr
    done = await installation.run("deliveries", "--drop", "former")
    assert (done.exit_code, done.stdout) == (1, ""), done.output


@pytest.mark.parametrize(("command", "instead"), [("backup", "pg_dump "), ("restore", "pg_restore ")])
async def test_backup_is_by_postgres(watched, command, instead):
    """`backup` and `restore` are status 2 and print the command of PostgreSQL that does it, without a password."""
    installation, *_ = watched
    done = await installation.run_process(command, "a file.dump")
    assert done.exit_code == 2
    assert f"{command} is for an SQLite file" in done.stderr
    (line,) = [line.strip() for line in done.stderr.splitlines() if line.strip().startswith(instead)]
    assert "'a file.dump'" in line or "'--file=a file.dump'" in line
    assert PASSWORD not in done.stderr


async def test_health_page_and_metrics(watched):
    """The daemon is ready, its pages and its API show the log, and no control file lies anywhere."""
    installation, daemon, _ = watched
    async with httpx.AsyncClient(base_url=daemon.url) as client:
        assert (await client.get("/readyz")).status_code == 200
        jobs = (await client.get("/api/jobs")).json()
        assert jobs["data"]
        assert (await client.get("/")).status_code == 200
        metrics = (await client.get("/metrics")).text
    assert "batchtracker_storage_writable 1" in metrics
    assert [*installation.config.parent.iterdir()] == [installation.config]


async def test_daemon_is_found_by_its_replica(watched):
    """`check --running` is about the replica of this name, as a container's health check asks."""
    installation, *_ = watched
    done = await installation.run("check", "--running")
    assert (done.exit_code, done.stdout.endswith("replica one is running\n")) == (0, True), done.output
    installation.config.write_text((text := installation.config.read_text()).replace('replica = "one"', 'replica = "two"'))
    try:
        done = await installation.run("check", "--running")
    finally:
        installation.config.write_text(text)
    assert (done.exit_code, done.stderr.endswith("replica two is not running\n")) == (1, True)


SURFACES = (
    "/",
    "/metrics",
    "/readyz",
    "/api/jobs",
    "/api/receivers",
    "/api/accounts",
    "/api/overview",
    "/api/replicas",
    "/receivers",
    "/accounts",
)


@pytest.mark.slow
async def test_password_is_nowhere(watched, postgres_server):
    """The database URL's password is in no log line, page, answer, metric, output or error, nor on the server's log."""
    installation, daemon, _ = watched
    async with httpx.AsyncClient(base_url=daemon.url) as client:
        surfaces = {path: (await client.get(path)).text for path in SURFACES}
    for command in ("check", "check --online", "top", "replicas --json"):
        done = await installation.run(*command.split())
        surfaces[command] = done.output + repr(done.exception)
    surfaces["arguments"] = (installation.config.parent / f"/proc/{daemon.process.pid}/cmdline").read_text("utf-8")
    for command in ("run", "jobs"):
        gone = f"postgresql://tracker:{PASSWORD}@127.0.0.1:1,127.0.0.1:2/tracker?sslmode=require"
        done = await installation.run_process(command, DATABASE_URL=gone)
        assert done.exit_code == 1
        surfaces[f"{command} without a server"] = done.output
    surfaces["log"] = json.dumps(daemon.lines)
    surfaces["server"] = postgres_server.log.read_text("utf-8", "replace")
    assert [name for name, text in surfaces.items() if PASSWORD in text] == []


async def test_daemon_ends_well(watched, database_url, tmp_path):
    """SIGTERM ends a replica with status 0, it is gone from the list at once, and the log is verified."""
    installation, *_ = watched
    second = Watched(tmp_path, "http://127.0.0.1:1", postgres_url=database_url)
    second.config.write_text(second.config.read_text().replace('replica = "one"', 'replica = "two"'))
    async with second.running() as daemon:
        listed = [json.loads(line) for line in (await installation.run("replicas", "--json")).stdout.splitlines()]
        assert [(each["name"], each["live"]) for each in listed] == [("one", True), ("two", True)]
        assert await daemon.stop(signal.SIGTERM) == 0
    listed = [json.loads(line) for line in (await installation.run("replicas", "--json")).stdout.splitlines()]
    assert [each["name"] for each in listed if each["live"]] == ["one"]
    verified = await installation.run("verify")
    assert (verified.exit_code, "the log and the jobs agree" in verified.stdout) == (0, True)
