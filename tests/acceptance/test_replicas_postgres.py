"""`migrate` and `replicas`, the real commands on a real PostgreSQL, each with the role that an operator gives it."""

import json
import os
import subprocess
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from postgres_server import binaries
from tracking import Installation, simulated
from waiting import until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgres")]

TOKEN = "canary-token-of-replicas"
ROLES = Path(__file__).parents[2] / "deploy" / "postgres" / "roles.sql"
REPLICAS = """
INSERT INTO batch_tracker.replicas (name, instance, version, url, joined_at, renewed_at, expires_at) VALUES
  ('berlin', 'i1', '1.0', 'http://berlin.example:9471/', 1750000000000, 1750000000000, 4000000000000),
  ('paris', 'i2', '1.0', NULL, 1750000000000, 1750000000000, 1750000015000);
INSERT INTO batch_tracker.leases (kind, name, holder, instance, epoch, since, report) VALUES
  ('account', 'default', 'berlin', 'i1', 3, 1750000000000, '{}'),
  ('maintenance', 'log', 'paris', 'i2', 4, 1750000000000, NULL);
"""


class Database:
    """A database with the roles of deploy/postgres/roles.sql, and an installation that uses it with one of them."""

    def __init__(self, server, folder, api="http://127.0.0.1:1"):
        self.name = server.create_database()
        self._server = server
        self._folder = folder
        self._api = api
        self._installation = self.installation("commands")
        self.execute(ROLES.read_text("utf-8"))

    def installation(self, replica):
        """That of a replica, which writes."""
        folder = self._folder / replica
        folder.mkdir()
        installation = Installation(folder, self._api)
        http = '[http]\nlisten = "127.0.0.1:0"\ntoken = { env = "TOKEN" }\n'
        account = f'base_url = "{self._api}"\napi_key = {{ env = "MISTRAL_API_KEY" }}\npoll_interval = "1s"\n'
        accounts = (f'[[accounts]]\nname = "{name}"\n{account}' for name in ("default", "other"))
        storage = f'[storage]\nurl = {{ env = "DATABASE_URL" }}\nreplica = "{replica}"\n'
        installation.config.write_text(storage + http + "".join(accounts))
        installation.environment |= {"DATABASE_URL": self._server.url(self.name, "batch_tracker_writer"), "TOKEN": TOKEN}
        return installation

    def execute(self, sql):
        psql = [binaries() / "psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", self._server.url(self.name)]
        subprocess.run(psql, input=sql.encode(), check=True, capture_output=True, timeout=60, env={"PATH": os.environ["PATH"]})

    async def command(self, role, *arguments):
        self._installation.environment["DATABASE_URL"] = self._server.url(self.name, f"batch_tracker_{role}")
        return await self._installation.command(*arguments)


@pytest.fixture(scope="module")
async def database(postgres_server, tmp_path_factory):
    database = Database(postgres_server, tmp_path_factory.mktemp("replicas"))
    yield database
    postgres_server.drop_database(database.name)


@pytest.fixture(scope="module")
async def migrated(database):
    """The same once the owner has made the tables, with two replicas, one of which did not renew its leases."""
    refused = await database.command("writer", "migrate")
    assert (refused.returncode, "the user lacks a right" in refused.stderr) == (1, True), refused.stderr
    before = await database.command("reader", "replicas")
    assert (before.returncode, "there is no schema" in before.stderr) == (1, True), before.stderr
    for _ in "once", "again":
        done = await database.command("owner", "migrate")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.endswith(f"/{database.name}: the tables are up to date\n")
    database.execute(ROLES.read_text("utf-8") + REPLICAS)
    return database


async def test_replicas_are_listed_for_who_may_only_read(migrated):
    """The table has both replicas; what the lost one had is unheld, which standard error says."""
    done = await migrated.command("reader", "replicas")
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[:4] for line in lines[1:]] == [["berlin", "live", "1", "0"], ["paris", "lost", "0", "0"]]
    assert done.stderr.splitlines() == [
        "no replica maintains the log: nothing old is removed from it",
        "no replica works on account other: its jobs are not watched",
    ]


async def test_leases_are_listed_as_json(migrated):
    """Each lease that a live replica holds with its times, and the one of the lost replica without a holder."""
    done = await migrated.command("reader", "replicas", "--leases", "--json")
    held, *unheld = [json.loads(line) for line in done.stdout.splitlines()]
    since, until = "2025-06-15T15:06:40.000Z", "2096-10-02T07:06:40.000Z"
    expected = {"kind": "account", "name": "default", "holder": "berlin", "epoch": 3, "since": since, "expires_at": until}
    assert held == expected
    assert [(each["kind"], each["name"], each["holder"]) for each in unheld] == [
        ("maintenance", "log", None),
        ("account", "other", None),
    ]


async def test_who_may_only_write_makes_no_table(migrated):
    """The writer finds the tables up to date, without a right to change them."""
    done = await migrated.command("writer", "migrate")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.fixture(scope="module")
async def replicas(postgres_server, tmp_path_factory):
    """Two replicas that watch two accounts as the writer, each as an HTTP client without a token."""
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(simulated(jobs=2))
        database = Database(postgres_server, tmp_path_factory.mktemp("running"), simulator.url)
        assert (await database.command("owner", "migrate")).returncode == 0
        database.execute(ROLES.read_text("utf-8"))
        clients = []
        for name in "ab":
            daemon = await stack.enter_async_context(database.installation(name).running())
            clients.append(await stack.enter_async_context(httpx.AsyncClient(base_url=daemon.url)))
        yield clients


async def eventually(client, path, enough, **options):
    """The answer as JSON, once it is enough."""

    async def found():
        answer = (await client.get(path, **options)).json()
        return answer if enough(answer) else None

    return await until(found)


async def test_login_at_one_replica_is_valid_at_the_other(replicas):
    """With the writer's role two daemons share the work; the API and the page of one are open to a login on the other."""
    one, other = replicas
    answer = await one.post("/login", data={"token": TOKEN})
    session = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
    assert (await other.get("/api/replicas")).status_code == 401
    shared = await eventually(other, "/api/replicas", lambda found: found["data"] and not found["unheld"], headers=session)
    assert [(each["name"], each["live"]) for each in shared["data"]] == [("a", True), ("b", True)]
    assert {each["name"] for each in shared["leases"] if each["holder"] in ("a", "b")} == {"default", "other", "log"}
    page = (await other.get("/replicas", headers=session)).text
    assert 'data-key="replica a"' in page
    assert "(this one)" in page
    own = {"origin": str(other.base_url).rstrip("/")}
    assert (await other.post("/logout", headers=session | own)).status_code == 303
    assert [(await each.get("/api/jobs", headers=session)).status_code for each in replicas] == [200, 401]


async def test_a_file_is_not_migrated_by_this_command(tmp_path):
    """On SQLite it says who does it."""
    done = await Installation(tmp_path, "http://127.0.0.1:1").command("migrate")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "the database is a file: `run` brings it up to date when it starts\n"
