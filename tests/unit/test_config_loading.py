"""Where the configuration comes from, and what stands in for what it leaves out."""

import platform
from pathlib import Path

import pytest

from tracker.config import Listen, account_failed_shares, source, storage_section
from tracker.core.errors.config_error import ConfigError
from tracker.daemon import database_address
from tracker.daemon.load_configuration import load

KEY = {"MISTRAL_API_KEY": "key"}
NOTHING = (
    "no configuration: set MISTRAL_API_KEY to run on defaults, "
    "name a file with --config FILE or $BATCH_TRACKER_CONFIG, or write "
)


@pytest.fixture
def system(tmp_path, monkeypatch):
    """The system's file, which is not there yet."""
    file = tmp_path / "system.toml"
    monkeypatch.setattr(source, "SYSTEM_FILE", file)
    return file


@pytest.fixture
def home(tmp_path):
    return {"HOME": str(tmp_path)}


def account(name):
    return f'[[accounts]]\nname = "{name}"\napi_key = {{ env = "MISTRAL_API_KEY" }}\n'


@pytest.mark.parametrize(
    ("there", "name"),
    [
        (["explicit", "variable", "system"], "explicit"),
        (["explicit", "system"], "explicit"),
        (["variable", "system"], "variable"),
        (["system"], "system"),
        ([], "default"),
    ],
)
def test_precedence(tmp_path, system, home, there, name):
    """--config wins over $BATCH_TRACKER_CONFIG, that over the system's file, that over the defaults."""
    files = {each: tmp_path / f"{each}.toml" for each in there}
    for each, file in files.items():
        file.write_text(account(each))
    environ = KEY | home | ({"BATCH_TRACKER_CONFIG": str(files["variable"])} if "variable" in there else {})
    loaded = load(str(files["explicit"]) if "explicit" in there else None, environ)
    assert [each.name for each in loaded.accounts] == [name]
    assert loaded.source == (str(files[name]) if there else None)
    assert system.exists() is ("system" in there)


def test_key_alone(system, home):
    """MISTRAL_API_KEY alone gives the default account, on loopback, with the log at home."""
    assert not system.exists()
    loaded = load(None, KEY | home)
    (only,) = loaded.accounts
    assert (only.name, only.api_key.reveal(), only.base_url) == ("default", "key", "https://api.mistral.ai")
    assert (only.poll_interval, only.requests_per_second, only.backfill, only.request_timeout) == (15, 1, 604800, 10)
    assert (loaded.http.listen, loaded.http.token) == ((Listen("127.0.0.1", 9471),), None)
    assert loaded.storage.path == Path(home["HOME"]) / ".local/state/batch-tracker/tracker.db"
    assert (loaded.receivers, loaded.proxies) == ((), None)


@pytest.mark.parametrize("environ", [{}, {"MISTRAL_API_KEY": ""}, {"MISTRAL_API_KEY": " \n"}, {"BATCH_TRACKER_CONFIG": ""}])
def test_nothing(system, home, environ):
    """With no file and no key the message says what to do; an empty variable counts as none."""
    with pytest.raises(ConfigError) as raised:
        load(None, environ | home)
    assert str(raised.value) == NOTHING + str(system)


def test_empty_option(system, home):
    """An empty --config, as an unset variable in a script leaves it, is not the default in disguise."""
    system.write_text(account("system"))
    with pytest.raises(ConfigError, match="--config: found nothing, expected the name of a file"):
        load("", KEY | home)


def test_unreachable_system_file_is_reported(tmp_path, monkeypatch, home):
    """If the system's file cannot be looked for, that is an error: the defaults do not take its place."""
    file = tmp_path / ("x" * 300)
    monkeypatch.setattr(source, "SYSTEM_FILE", file)
    with pytest.raises(ConfigError) as raised:
        load(None, KEY | home)
    assert str(raised.value) == f"{file}: cannot be read: File name too long"


@pytest.mark.parametrize("content", ["", '[storage]\npath = "tracker.db"\n', '[http]\nlisten = "127.0.0.1:0"\n'])
def test_file_without_accounts(tmp_path, home, content):
    """A file that is silent about accounts keeps the default account, as long as MISTRAL_API_KEY is set."""
    file = tmp_path / "tracker.toml"
    file.write_text(content)
    assert [each.name for each in load(str(file), KEY | home).accounts] == ["default"]
    with pytest.raises(ConfigError) as raised:
        load(str(file), home)
    assert str(raised.value) == (
        f"{file}:1: accounts: found none, expected at least one [[accounts]], or $MISTRAL_API_KEY instead of them"
    )


def test_named_accounts_are_all_accounts(tmp_path, home):
    """A file that names accounts gets no further one from MISTRAL_API_KEY."""
    file = tmp_path / "tracker.toml"
    file.write_text('[[accounts]]\nname = "a"\napi_key = { env = "A" }\n[[accounts]]\nname = "b"\napi_key = { env = "B" }\n')
    loaded = load(str(file), KEY | home | {"A": "1", "B": "2"})
    assert [(each.name, each.api_key.reveal()) for each in loaded.accounts] == [("a", "1"), ("b", "2")]


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"STATE_DIRECTORY": "/state", "XDG_STATE_HOME": "/xdg", "HOME": "/home"}, "/state/tracker.db"),
        ({"STATE_DIRECTORY": "/state:/other", "HOME": "/home"}, "/state/tracker.db"),
        ({"STATE_DIRECTORY": "", "XDG_STATE_HOME": "/xdg", "HOME": "/home"}, "/xdg/batch-tracker/tracker.db"),
        ({"XDG_STATE_HOME": "", "HOME": "/home"}, "/home/.local/state/batch-tracker/tracker.db"),
    ],
)
def test_default_database(system, environ, path):
    """The log is in systemd's state directory, else in the user's; finding it needs no secret."""
    assert not system.exists()
    assert storage_section(None, environ).path == load(None, environ | KEY).storage.path == Path(path)


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("tracker.db", "tracker.db"),
        ("../tracker.db", "../tracker.db"),
        ("/var/tracker.db", "/var/tracker.db"),
        ("~/tracker.db", "/home/tracker.db"),
    ],
)
def test_database_where_the_file_says(tmp_path, written, path):
    """A relative path stays relative to the working directory, not to the file; `~/` is $HOME."""
    file = tmp_path / "tracker.toml"
    file.write_text(f'[storage]\npath = "{written}"\n')
    environ = {"HOME": "/home", "STATE_DIRECTORY": "/state"}
    assert storage_section(str(file), environ).path == load(str(file), environ | KEY).storage.path == Path(path)


def test_database_that_is_no_file(tmp_path, home, monkeypatch):
    """With a URL there is no path; the replica is named by the host, and its uploads wait in a folder of its own."""
    monkeypatch.setattr(platform, "node", lambda: "rack 1/2")
    file = tmp_path / "tracker.toml"
    file.write_text('[storage]\nurl = "postgresql://db/t"\n')
    storage = storage_section(str(file), home | {"STATE_DIRECTORY": "/state"})
    assert storage == load(str(file), KEY | home | {"STATE_DIRECTORY": "/state"}).storage
    assert (storage.path, storage.url.reveal(), storage.replica) == (None, "postgresql://db/t", "rack 1/2")
    assert storage.spool == Path("/state/rack%201%2F2.uploads")
    assert storage_section(str(file), {}).path is None, "and no home is needed"
    named = {"/a\tb": "/a?b", "x" * 200: "x" * 100, " ": "replica", "": "rack 1/2"}
    assert [storage_section(str(file), {"BATCH_TRACKER_REPLICA": name}).replica for name in named] == [*named.values()]


def test_database_without_its_driver(tmp_path, home, monkeypatch):
    """Where asyncpg is not installed, the message says how to install it, when the configuration is loaded."""
    monkeypatch.setattr(database_address, "find_spec", lambda _: None)
    file = tmp_path / "tracker.toml"
    file.write_text('[storage]\nurl = "postgresql://db/t"\n')
    for read in (lambda: load(str(file), KEY | home), lambda: database_address.configured_database(str(file))):
        with pytest.raises(ConfigError, match=r"needs asyncpg.*: pip install 'batch-tracker\[postgres\]'$"):
            read()


def test_database_of_a_wrong_file(tmp_path, home):
    """Finding the database reports what is wrong about it, and only that: secrets may be missing."""
    file = tmp_path / "tracker.toml"
    file.write_text("[storage]\npath = 5\n[http]\ntoken = 6\n")
    with pytest.raises(ConfigError) as raised:
        storage_section(str(file), home)
    assert str(raised.value) == f"{file}:2: storage.path: found 5, expected a string, printable and not empty"


@pytest.mark.parametrize("environ", [{}, {"HOME": ""}])
def test_home_that_is_none(tmp_path, environ):
    """A path in an unknown home directory is a mistake, not a folder called `~`."""
    file = tmp_path / "tracker.toml"
    file.write_text('[storage]\npath = "~/tracker.db"\n')
    with pytest.raises(ConfigError) as raised:
        load(str(file), KEY | environ | {"STATE_DIRECTORY": "/state"})
    assert str(raised.value) == (
        f"{file}:2: storage.path: found '~/tracker.db', expected a path; `~/` needs $HOME, and no other `~` is known"
    )


def test_no_home(system):
    """Where there is no home and nothing else says where to keep the log, the message names what would."""
    assert not system.exists()
    with pytest.raises(ConfigError) as raised:
        load(None, KEY)
    assert str(raised.value) == (
        "storage.path: missing, expected a path, as none of $STATE_DIRECTORY, $XDG_STATE_HOME and $HOME is set"
    )


def test_failed_shares_are_read_without_a_secret(tmp_path):
    """Each account that has one, "off" as none; what is no share is left to the loading of the whole."""
    file = tmp_path / "tracker.toml"
    shares = {"own": "0.2", "whole": "1", "silent": '"off"', "odd": '"half"', "much": "7", "true": "true"}
    entries = [f'[[accounts]]\nname = "{name}"\nfailed_share = {share}\n' for name, share in shares.items()]
    file.write_text("".join([*entries, '[[accounts]]\nname = "usual"\n']))
    assert account_failed_shares(str(file), {}) == {"own": 0.2, "whole": 1, "silent": None}
