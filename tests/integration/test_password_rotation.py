"""A password of PostgreSQL that is rotated by replacing its file: each new connection uses it, and no restart is needed."""

from urllib.parse import urlsplit

import pytest
from job_changes import CHECKPOINT, moved, seen
from structlog.testing import capture_logs

from tracker.config import Config, Http, Listen, Secret, Storage
from tracker.config.secrets.secret_references import secret
from tracker.core.errors.storage_error import StorageError
from tracker.daemon.database_address import address_of_replica
from tracker.daemon.password_rotation import RotatedPasswords
from tracker.store.postgres.writing.store import open_postgres_store

URL = "postgresql://tracker:{}@db.example/tracker?sslmode=verify-full"
ROLE = "rotated"


@pytest.fixture
def file(tmp_path):
    return tmp_path / "url"


def written(file, url):
    file.write_text(url + "\n")
    return secret({})({"file": str(file)})


def test_url_is_that_of_its_file(file):
    """It is read each time that it is asked for; what is new is made known for the log first, and said once."""
    learned = []
    passwords = RotatedPasswords([written(file, URL.format("one")), Secret("postgresql://other/x")], learned.extend)
    with capture_logs() as lines:
        assert passwords.latest(URL.format("one")) == URL.format("one")
        written(file, URL.format("two"))
        assert [passwords.latest(URL.format("one")) for _ in range(2)] == [URL.format("two")] * 2
    assert learned.count(URL.format("two")) == 1
    assert "two" in learned
    assert [line["event"] for line in lines] == ["credential.reloaded"]
    assert "two" not in str(lines)
    assert passwords.latest("postgresql://other/x") == "postgresql://other/x"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        (URL.format("two").replace("db.example", "elsewhere"), "leads to another database"),
        (URL.format("two").replace("/tracker?", "/other?"), "leads to another database"),
        (URL.format("two").replace("verify-full", "disable"), "leads to another database"),
        ("postgresql://another:two@db.example/tracker?sslmode=verify-full", "names another user"),
        ("canary", "leads to another database"),
    ],
)
def test_a_file_that_leads_elsewhere_changes_nothing(file, content, said):
    """Another database is another log: the URL that was used last stays, which is said once, without what the file has."""
    passwords = RotatedPasswords([written(file, URL.format("one"))], lambda _: None)
    written(file, URL.format("between"))
    assert passwords.latest(URL.format("one")) == URL.format("between")
    file.write_text(content)
    with capture_logs() as lines:
        assert [passwords.latest(URL.format("one")) for _ in range(3)] == [URL.format("between")] * 3
    (line,) = lines
    assert (line["event"], line["key"], said in line["error"]) == ("credential.unreadable", "storage.url", True)
    assert "two" not in str(line)
    assert "canary" not in str(line)


@pytest.mark.xdist_group("postgres")
async def test_a_replica_outlives_its_password(postgres_server, postgres_url, file):
    """Its connections are ended and the old password is refused; with the new one in the file it goes on."""
    rules = postgres_server.data / "pg_hba.conf"
    before = rules.read_text()
    rules.write_text(f"host all {ROLE} 127.0.0.1/32 scram-sha-256\n{before}")
    postgres_server.fetch(f"CREATE ROLE {ROLE} SUPERUSER LOGIN PASSWORD 'one'")
    postgres_server.fetch("SELECT pg_reload_conf()")
    database = urlsplit(postgres_url).path[1:]
    url = f"postgresql://{ROLE}:{{}}@127.0.0.1:{postgres_server.port}/{database}"
    learned, first = [], seen()
    try:
        storage = Storage(None, url=written(file, url.format("one")), replica="a")
        config = Config(source=None, accounts=(), storage=storage, http=Http(listen=(Listen(port=0),)))
        async with open_postgres_store(address_of_replica(config, learned.extend)) as store:
            await store.checkpoint("default", CHECKPOINT)
            await store.record("default", [first])
            postgres_server.fetch(f"ALTER ROLE {ROLE} PASSWORD 'two'")
            postgres_server.terminate_connections(database)
            with pytest.raises(StorageError, match="refuses the user"):
                await store.record("default", [moved(first, status="RUNNING")])
            written(file, url.format("two"))
            await store.record("default", [moved(first, status="RUNNING")])
            assert [job.job.status for job in (await store.active_jobs("default")).values()] == ["RUNNING"]
        assert "two" in learned
    finally:
        rules.write_text(before)
        postgres_server.fetch("SELECT pg_reload_conf()")
        postgres_server.drop_database(database)
        postgres_server.fetch(f"DROP ROLE {ROLE}")
