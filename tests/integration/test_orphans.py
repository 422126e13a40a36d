"""What a renamed receiver or account leaves behind: warned of, shown, and moved or dropped by commands and over HTTP."""

import json
from contextlib import asynccontextmanager

import anyio
import pytest
from click.testing import CliRunner
from job_changes import SINCE, seen
from loopback import unreachable_url
from receiving import receiving
from structlog.testing import capture_logs
from web_application import RIGHT, served_application

from tracker.cli import group
from tracker.config import Account, Config, Http, Listen, Match, Secret, Storage
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.queries.orphaned_deliveries import Drop, Move, Moved
from tracker.daemon.control.control_client import Refused, request_drop, request_move
from tracker.daemon.startup import open_daemon
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver
from tracker.store.opening import open_store

FORMER = Subscription(receiver="former", events=("batch.completed",))
CONFIG = """
[storage]
path = {path}
[[accounts]]
name = "default"
api_key = {{ env = "MISTRAL_API_KEY" }}
[[receivers]]
name = "pipeline"
kind = "webhook"
url = "http://127.0.0.1:1"
match = {{ account = "defualt" }}
"""


async def leave_behind(database):
    """Three ends that wait for a receiver, and a running job of an account, that no configuration has any more."""
    async with open_store(database, [FORMER]) as store:
        await store.record("default", [seen(f"job-{number}", status="SUCCESS", now=SINCE + number) for number in range(3)])
        await store.record("old", [seen("runs", account="old", status="RUNNING", now=SINCE)])


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command over what was left behind."""
    monkeypatch.setenv("MISTRAL_API_KEY", "key-of-some-length")
    config = tmp_path / "tracker.toml"
    config.write_text(CONFIG.format(path=json.dumps(str(tmp_path / "tracker.db"))), "utf-8")
    anyio.run(leave_behind, tmp_path / "tracker.db")
    return lambda line: CliRunner().invoke(group, ["--config", str(config), *line.split()])


def test_check_warns(run):
    """`check` names the receiver and the account with what there is of them and what to do, and a filter that fits nothing."""
    done = run("check")
    assert done.exit_code == 0
    doubt, receiver, account = done.stderr.splitlines()
    assert doubt.startswith(
        "warning   receivers[0].match.account: found 'defualt', which matches no account; did you mean 'def"
    )
    assert receiver.startswith("warning   receiver former is not in the configuration, and 3 pending deliveries wait for it: ")
    assert "deliveries --move former OTHER`" in receiver
    assert account.startswith("warning   account old is not in the configuration, and 1 job of it is shown as active forever")


def test_moving_without_a_daemon(run):
    """The command moves them itself, says how many, and then there is nothing left to move or to warn of."""
    done = run("deliveries --move former pipeline")
    assert (done.exit_code, done.stdout) == (
        0,
        "3 deliveries of former moved to pipeline; no daemon is running: they go out once it does\n",
    )
    assert [json.loads(line)["receiver"] for line in run("deliveries --json").stdout.splitlines()] == ["pipeline"] * 3
    again = run("deliveries --move former pipeline")
    assert (again.exit_code, again.stderr) == (1, "batch-tracker: receiver 'former' has no pending or dead delivery\n")
    assert "former" not in run("check").stderr


def test_dropping_without_a_daemon(run):
    """The command drops them itself and says how many; the events stay."""
    done = run("deliveries --drop former")
    assert (done.exit_code, done.stdout) == (0, "3 deliveries of former dropped; the events stay in the log\n")
    assert run("deliveries --json").stdout == ""
    assert len(run("events --json --type batch.completed").stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("line", "status", "said"),
    [
        (
            "--move former pipelin",
            1,
            "no receiver 'pipelin' in the configuration; did you mean 'pipeline'? There are: pipeline",
        ),
        ("--move pipeline pipeline", 1, "receiver 'pipeline' is in the configuration: take it out and reload first"),
        ("--move fromer pipeline", 1, "receiver 'fromer' has no pending or dead delivery; there are some of: former"),
        ("--drop pipeline", 1, "--drop pipeline --state dead forgets what is dead"),
        ("--drop pipeline --state dead", 1, "receiver 'pipeline' has no pending or dead delivery; there are some of: former"),
        ("--drop former --state pending", 2, "--move stands alone, and --drop with nothing but --state dead"),
        ("--move former pipeline --json", 2, "--move stands alone"),
    ],
)
def test_what_cannot_be_moved_or_dropped(run, line, status, said):
    """A wrong name, a receiver that is configured, and a choice that makes no sense are refused, and nothing is changed."""
    done = run(f"deliveries {line}")
    assert (done.exit_code, done.stdout) == (status, "")
    assert said in done.stderr
    assert len(run("deliveries --json --state pending --receiver former").stdout.splitlines()) == 3


async def test_routes(tmp_path):
    """What is left behind is listed beside receivers and accounts, and moved and dropped where the token is right."""
    await leave_behind(tmp_path / "tracker.db")
    async with served_application(tmp_path / "tracker.db") as app:
        left = (await app.get("/api/receivers")).json()["orphaned"]
        assert left == [{"name": "former", "pending": 3, "dead": 0, "oldest_pending_at": "2025-06-15T15:06:40.000Z"}]
        assert (await app.get("/api/accounts")).json()["orphaned"] == [{"name": "old", "active_jobs": 1}]

        async def ask(path, **body):
            answer = await app.post(f"/api/receivers/{path}", headers=RIGHT, json=body)
            return answer.status_code, answer.json().get("detail") or answer.json()

        assert (await app.post("/api/receivers/former/drop", json={})).status_code == 401
        assert await ask("former/move", to="unknown") == (
            404,
            "no receiver 'unknown' in the configuration; there are: pipeline, team",
        )
        assert (await ask("team/move", to="pipeline"))[0] == 409
        assert (await ask("team/drop"))[0] == 409
        assert (await ask("unknown/drop")) == (
            404,
            "receiver 'unknown' has no pending or dead delivery; there are some of: former",
        )
        assert await ask("former/move", to="team") == (200, {"moved": 3, "already": 0})
        assert (await ask("team/drop", dead=True))[0] == 404
        assert (await app.get("/api/receivers")).json()["orphaned"] == []


async def test_metrics(tmp_path):
    """Each receiver and account that is left behind has its own series, which ends when nothing is left."""
    await leave_behind(tmp_path / "tracker.db")
    async with daemon_of(tmp_path / "tracker.db") as running:
        page = running.supervisor.dependencies.metrics.render().decode()
        assert 'batchtracker_orphaned_deliveries{receiver="former",state="pending"} 3.0' in page
        assert 'batchtracker_orphaned_deliveries{receiver="former",state="dead"} 0.0' in page
        assert 'batchtracker_orphaned_jobs{account="old"} 1.0' in page
        await request_drop(tmp_path / "tracker.db", "former", Drop())
        assert "former" not in running.supervisor.dependencies.metrics.render().decode()


@asynccontextmanager
async def daemon_of(database, url="http://127.0.0.1:1", **match):
    """The daemon over this database, with the receiver `pipeline`, and an unreachable API."""
    receiver = WebhookReceiver(name="pipeline", url=Secret(url), timeout=5.0, match=Match(**match))
    with unreachable_url() as api:
        account = Account(name="default", api_key=Secret("key"), base_url=api, poll_interval=3600.0)
        http = Http(listen=(Listen(port=0),))
        config = Config(source=None, storage=Storage(database), http=http, accounts=(account,), receivers=(receiver,))
        async with open_daemon(config) as running:
            yield running


async def test_daemon_warns_and_moves(tmp_path):
    """The daemon warns of each at its start and at a reload; what it is asked to move arrives at once."""
    database = tmp_path / "tracker.db"
    await leave_behind(database)
    async with receiving() as receiver, daemon_of(database, receiver.url, account="unknown") as running:
        with capture_logs() as lines:
            await running.reloader.log_warnings()
            await running.reloader.reload_once(lambda: running.reloader.config)
        warned = [line["event"] for line in lines if line["log_level"] == "warning"]
        assert warned == ["configuration.doubtful", "deliveries.orphaned", "jobs.orphaned"] * 2
        (line,) = [line for line in lines if line["event"] == "deliveries.orphaned"][:1]
        assert (line["receiver"], line["pending"], line["dead"]) == ("former", 3, 0)
        assert await request_move(database, "former", Move(to="pipelin")) == Refused(
            "no receiver 'pipelin' in the configuration; did you mean 'pipeline'? There are: pipeline", is_unknown=True
        )
        assert await request_move(database, "former", Move(to="pipeline")) == Moved(moved=3, already=0)
        await receiver.wait_for(3)
        assert sorted(event["data"]["id"] for event in receiver.got) == ["job-0", "job-1", "job-2"]
