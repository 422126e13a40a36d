"""deploy/examples/replicas: its parts fit together, the product reads its configuration, its nginx balances."""

import os
import re
import subprocess
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from secrets import token_urlsafe

import anyio
import httpx
import pytest
import yaml
from postgres_server import binaries
from proxied import nginx_with
from web_application import TOKEN, served_application

from tracker.cli import COMMANDS
from tracker.daemon.load_configuration import load
from tracker.web.access.signed_sessions import SignedSessions

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "examples" / "replicas"
COMPOSE = yaml.safe_load((FOLDER / "compose.yaml").read_text("utf-8"))
SERVICES = COMPOSE["services"]
REPLICAS = [name for name in SERVICES if name.startswith("tracker-")]
NGINX = (FOLDER / "nginx.conf").read_text("utf-8")
ROLES = (ROOT / "deploy" / "postgres" / "roles.sql").read_text("utf-8")


def test_replicas_are_the_same_but_for_their_names():
    """There are three, each named by its host, and they differ in nothing else; they stop within the time that they get."""
    assert len(REPLICAS) == 3
    assert [SERVICES[name]["hostname"] for name in REPLICAS] == REPLICAS
    others = [{key: value for key, value in SERVICES[name].items() if key != "hostname"} for name in REPLICAS]
    assert others[0] == others[1] == others[2]
    assert others[0]["stop_grace_period"] == "15s"
    assert SERVICES["migrate"]["command"][0] in COMMANDS


def test_files_that_are_mounted_or_built_exist():
    """Each file of the host is there, and the image is built with the driver of PostgreSQL."""
    for service in SERVICES.values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or (FOLDER / source).is_file(), source
    build = SERVICES["migrate"]["build"]
    assert (FOLDER / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    (requirements,) = build["args"].values()
    assert "asyncpg==" in (ROOT / "deploy" / requirements).read_text("utf-8")


def test_roles_of_the_example_are_those_that_are_made():
    """The URLs and the passwords name roles of roles.sql; only the owner, who makes the tables, is another one."""
    made = set(re.findall(r"'(batch_tracker_\w+)'", ROLES))
    urls = {name: SERVICES[name]["environment"]["DATABASE_URL"] for name in [*REPLICAS, "migrate"]}
    users = {
        name: re.match(r"postgresql://(\w+):\$\{POSTGRES_PASSWORD:\?\}@postgres/batch_tracker$", url)[1]
        for name, url in urls.items()
    }
    assert users == dict.fromkeys(REPLICAS, "batch_tracker_writer") | {"migrate": "batch_tracker_owner"}
    (given,) = re.findall(r"for role in (.*); do", (FOLDER / "passwords.sh").read_text("utf-8"))
    assert set(given.split()) == made >= {*users.values()}


@pytest.mark.parametrize(
    ("file", "variables"),
    [
        (FOLDER / "tracker.toml", SERVICES["tracker-1"]["environment"]),
        (ROOT / "deploy" / "systemd" / "replica.toml", {"CREDENTIALS_DIRECTORY": ""}),
    ],
    ids=["compose", "systemd"],
)
def test_product_reads_the_configuration(tmp_path, file, variables):
    """The configuration is valid with the secrets that compose or the unit gives, and has a token for all replicas."""
    for name, secret in {
        "mistral-api-key": "a-key-of-the-api",
        "http-token": "x" * 32,
        "database-url": "postgresql://u@h/d",
    }.items():
        (tmp_path / name).write_text(secret)
    environment = dict.fromkeys(variables, "x" * 32) | {
        "CREDENTIALS_DIRECTORY": str(tmp_path),
        "DATABASE_URL": "postgresql://u:secret@postgres/d",
        "BATCH_TRACKER_REPLICA": "berlin-1",
    }
    config = load(str(file), environment)
    assert (config.storage.replica, config.storage.path) == ("berlin-1", None)
    assert config.storage.url.reveal().startswith("postgresql://u")
    assert config.http.token.reveal() == "x" * 32


@pytest.mark.xdist_group("postgres")
def test_passwords_are_set_where_the_database_is_new(postgres_server):
    """The script of the example gives each role its password, whatever characters that has."""
    database, password = postgres_server.create_database(), 'it\'s "odd" \\ $HOME'
    psql = [binaries() / "psql", "-X", "-q", "-f", ROOT / "deploy" / "postgres" / "roles.sql", postgres_server.url(database)]
    environment = {
        "PATH": f"{binaries()}:{os.environ['PATH']}",
        "POSTGRES_PASSWORD": password,
        "POSTGRES_DB": database,
        "PGHOST": "127.0.0.1",
        "PGPORT": str(postgres_server.port),
    }
    subprocess.run(psql, check=True, capture_output=True, timeout=60)
    subprocess.run(["sh", FOLDER / "passwords.sh"], check=True, capture_output=True, timeout=60, env=environment)
    with_password = "SELECT rolname FROM pg_authid WHERE rolname LIKE 'batch_tracker_%' AND rolpassword IS NOT NULL ORDER BY 1"
    roles = [name for (name,) in postgres_server.fetch(with_password)]
    assert roles == ["batch_tracker_owner", "batch_tracker_reader", "batch_tracker_writer"]
    postgres_server.drop_database(database)


def balanced(port, addresses):
    """The example's nginx.conf, which listens on `port` in front of these addresses."""
    content = NGINX.replace("listen 80;", f"listen 127.0.0.1:{port};")
    for name, address in zip(REPLICAS, addresses, strict=True):
        assert content.count(f"server {name}:9471 ") == 1
        content = content.replace(f"{name}:9471", address)
    return content


async def test_any_replica_answers_behind_the_load_balancer(tmp_path, free_tcp_port_factory):
    """A login is valid wherever a request lands, writes pass, a stream is not buffered, and a dead replica is left out."""
    port, closed = free_tcp_port_factory(), f"127.0.0.1:{free_tcp_port_factory()}"
    check = SERVICES["tracker-1"]["healthcheck"]["test"][-1]
    async with AsyncExitStack() as stack:
        replicas = []
        for name in "ab":
            sessions = SignedSessions(TOKEN, token_urlsafe, lambda: 1.75e9)
            app = served_application(tmp_path / f"{name}.db", token=TOKEN, sessions=sessions)
            replicas.append(await stack.enter_async_context(app))
        addresses = [each.client.base_url.netloc.decode() for each in replicas]
        await stack.enter_async_context(nginx_with(tmp_path, port, balanced(port, [*addresses, closed])))
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}"))
        for address, status in ((addresses[0], 0), (closed, 1)):
            health = [sys.executable, "-c", check.replace("127.0.0.1:9471", address)]
            assert (await anyio.run_process(health, check=False, stderr=None)).returncode == status
        assert (await client.post("/login", data={"token": TOKEN})).status_code == 303
        body, own = {"receiver": "pipeline", "dead": True}, {"origin": f"http://127.0.0.1:{port}"}
        for _ in range(8):  # in turn by one replica and by the other
            assert (await client.get("/api/jobs")).status_code == 200
            assert (await client.post("/api/replay", headers=own, json=body)).status_code == 200
            assert (await client.post("/api/replay", headers=own, json=body)).status_code == 200
        assert all(each.supervisor.aside for each in replicas), "each of them has answered"
        async with client.stream("GET", "/api/stream") as stream:
            with anyio.fail_after(10):
                assert await anext(stream.aiter_lines()) is not None
        assert (await client.get("/metrics")).status_code == 404
