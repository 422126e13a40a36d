"""`import` and `export` as commands: what they print, and what they refuse."""

import sqlite3
from contextlib import closing

import pytest
from databases import VERSIONS, Found, make
from tracking import Installation

pytestmark = pytest.mark.xdist_group("postgres")


@pytest.fixture
def installation(tmp_path, postgres_url):
    """A configuration with PostgreSQL, whose schema does not exist yet."""
    made = Installation(tmp_path, "http://127.0.0.1:9")
    text = made.config.read_text().replace(f'path = "{made.database}"', 'url = { env = "DATABASE_URL" }\nschema = "tracker"')
    made.config.write_text(text)
    made.environment["DATABASE_URL"] = postgres_url
    return made


async def test_there_and_back(tmp_path, installation, postgres_url):
    """Both print what was transferred, to where, and the file that comes back is the one that went."""
    file = make(tmp_path / "tracker.db", VERSIONS[-1])
    done = await installation.command("import", str(file))
    contents = "12 events up to seq 12, 4 jobs, 14 deliveries; each row was compared\n"
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{postgres_url}: {contents}", "")
    back = tmp_path / "back.db"
    done = await installation.command("export", str(back))
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{back}: {contents}", "")
    assert {name: sorted(rows, key=repr) for name, rows in Found(back).rows.items()} == {
        name: sorted(rows, key=repr) for name, rows in Found(file).rows.items()
    }


@pytest.mark.slow
async def test_what_is_refused(tmp_path, installation):
    """Wrong usage has the status 2, a transfer that fails 1, with the reason on one line."""
    file = make(tmp_path / "tracker.db", VERSIONS[-1])
    nothing = await installation.command("export", str(tmp_path / "back.db"))
    assert (nothing.returncode, nothing.stderr.count("\n")) == (1, 1)
    assert "there is no schema tracker of batch-tracker" in nothing.stderr
    assert (await installation.command("import", str(file))).returncode == 0
    twice = await installation.command("import", str(file))
    assert (twice.returncode, twice.stderr.count("\n")) == (1, 1)
    assert "expected an empty schema tracker, found rows in accounts and 12 events" in twice.stderr
    there = await installation.command("export", str(file))
    assert (there.returncode, there.stderr) == (
        1,
        f"batch-tracker: {file}: there is a file already; export to a new one\n",
    )
    pipe = await installation.command("export", "-")
    assert (pipe.returncode, "expected a file" in pipe.stderr) == (2, True)


async def test_sqlite_is_no_target(tmp_path):
    """With an SQLite database in the configuration both say what they expect."""
    installation = Installation(tmp_path, "http://127.0.0.1:9")
    with closing(sqlite3.connect(make(installation.database, VERSIONS[-1]))):
        for command in ("import", "export"):
            done = await installation.command(command, str(tmp_path / "other.db"))
            assert (done.returncode, f"found storage.path {installation.database}" in done.stderr) == (2, True)
