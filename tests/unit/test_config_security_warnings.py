"""What is insecure about a configuration is named: the file or the key, what was found, what was expected, what to do."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from tracker.cli import group
from tracker.config import Account, Config, Http, Secret, Storage
from tracker.config.warnings.security_warnings import File, FileKind, assess_security, security_warnings
from tracker.delivery.notifiers.slack.configuration import SlackReceiver
from tracker.delivery.notifiers.webhook.configuration import WebhookReceiver

ALONE = frozenset({0, 1000})
LONG = Secret("t" * 16)


def config(**values):
    account = Account(name="a", api_key=Secret("key"), base_url=values.pop("base_url", "https://api.mistral.ai"))
    parts = {"source": None, "storage": Storage(Path("/nowhere/t.db")), "http": Http(), "accounts": (account,)}
    return Config(**parts | values)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        (FileKind.CONFIGURATION, 0o644),
        (FileKind.CONFIGURATION, 0o664),
        (FileKind.TRUSTED, 0o444),
        (FileKind.SECRET, 0o600),
        (FileKind.SECRET, 0o640),
        (FileKind.SECRET, 0o660),
        (FileKind.DATABASE, 0o600),
        (FileKind.ARCHIVE, 0o700),
        (FileKind.ARCHIVE, 0o750),
        (FileKind.DIRECTORY, 0o755),
        (FileKind.DIRECTORY, 0o1777),
    ],
    ids=lambda value: value.name if isinstance(value, FileKind) else f"{value:04o}",
)
def test_what_is_as_it_should_be(kind, mode):
    """Modes that only the owner, root and a group of the owner's own can use for harm are no reason to warn."""
    assert not [*assess_security(config(), [File(kind, "/x", mode, 1000, 1000)], ALONE)]


def test_own_group_of_the_process_may_write():
    """A directory of root's and of the group of the process's own user, as a volume of Kubernetes is, is no reason to warn."""
    assert not [*assess_security(config(), [File(FileKind.DIRECTORY, "/x", 0o2775, 0, 1000)], ALONE)]


def test_nobody_writes_to_what_is_mounted_read_only(tmp_path, monkeypatch):
    """The mode of a directory on a read-only file system, as a ConfigMap in Kubernetes is, lets no user change it."""
    file = tmp_path / "tracker.toml"
    file.write_text("")
    tmp_path.chmod(0o777)
    settings = config(source=str(file))
    assert "every user change it" in str(*security_warnings(settings))
    known = os.statvfs(tmp_path)
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=known.f_flag | os.ST_RDONLY))
    assert security_warnings(settings) == []


OWNER = "its owner alone to do so"
FEW = "0600, or 0640 for a group"


@pytest.mark.parametrize(
    ("file", "found", "expected", "remedy"),
    [
        ((FileKind.CONFIGURATION, 0o666, 0, 0), "mode 0666, which lets every user change it", OWNER, "chmod go-w /x"),
        ((FileKind.CONFIGURATION, 0o664, 0, 50), "mode 0664, which lets group 50 change it", OWNER, "chmod go-w /x"),
        ((FileKind.TRUSTED, 0o646, 0, 0), "mode 0646, which lets every user change it", OWNER, "chmod go-w /x"),
        ((FileKind.SECRET, 0o644, 1000, 1000), "mode 0644, which lets every user read it", FEW, "chmod o= /x"),
        ((FileKind.DATABASE, 0o604, 1000, 1000), "mode 0604, which lets every user read it", FEW, "chmod o= /x"),
        (
            (FileKind.ARCHIVE, 0o755, 1000, 1000),
            "mode 0755, which lets every user read it",
            "0700, or 0750 for a group",
            "chmod o= /x",
        ),
        ((FileKind.DIRECTORY, 0o777, 0, 0), "mode 0777, which lets every user change it", OWNER, "chmod go-w /x"),
        (
            (FileKind.SECRET, 0o600, 1001, 0),
            "that it belongs to user 1001, who can change it",
            "it to belong to root or user 1000",
            "chown it to one of them",
        ),
    ],
    ids=["written by all", "written by a group", "CA", "secret", "database", "archive", "directory", "another's"],
)
def test_what_others_can_do_with_a_file(file, found, expected, remedy):
    """Each mode and each owner that gives another user access is reported, with its remedy."""
    kind, mode, user, of_group = file
    (reported,) = assess_security(config(), [File(kind, "/x", mode, user, of_group)], ALONE)
    assert str(reported) == f"{kind} /x: found {found}, expected {expected}; {remedy}"


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"base_url": "http://gateway.example"}, "accounts[0].base_url"),
        ({"receivers": (WebhookReceiver(name="r", url=Secret("http://hook.example:80/canary")),)}, "receivers[0].url"),
        (
            {"receivers": (SlackReceiver(name="r", token=LONG, channel="c", api="http://slack.example/api"),)},
            "receivers[0].api",
        ),
        ({"http": Http(external_url="http://ops.example")}, "http.external_url"),
        ({"http": Http(token=Secret("canary"))}, "http.token"),
    ],
    ids=["account", "receiver", "Slack's API", "page", "short token"],
)
def test_what_others_can_read_on_the_way_or_guess(values, what):
    """Plain HTTP to another host and a token that can be guessed are reported by their key, without a secret."""
    (found,) = assess_security(config(**values), [], ALONE)
    assert found.what == what
    assert "canary" not in str(found)


@pytest.mark.parametrize("host", ["127.0.0.1:9", "localhost", "[::1]:9"])
def test_plain_http_on_this_machine(host):
    """Plain HTTP to loopback is safe, and a token of sixteen characters is long enough."""
    hook = WebhookReceiver(name="r", url=Secret(f"http://{host}/hook"))
    external = f"http://{host}"
    reported = config(base_url=f"http://{host}", receivers=(hook,), http=Http(token=LONG, external_url=external))
    assert not [*assess_security(reported, [], ALONE)]


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("postgresql://db.example.com/t", "sslmode=prefer to db.example.com"),
        ("postgresql://localhost,db.example.com/t?sslmode=disable", "sslmode=disable to db.example.com"),
        ("postgresql:///t?host=db.example.com&sslmode=allow", "sslmode=allow to db.example.com"),
        ("postgresql://db.example.com/t?sslmode=require", ""),
        ("postgresql://localhost,[::1],127.0.0.1:5433/t", ""),
        ("postgresql:///t?host=/run/postgresql", ""),
        ("postgresql:///t", ""),
    ],
)
def test_database_without_tls(url, found):
    """A connection to PostgreSQL on another machine that may be without TLS is named; one on this machine is not."""
    reported = config(storage=Storage(None, url=Secret(url), replica="a", listen_url=Secret("postgresql:///t")))
    warned = [*assess_security(reported, [], ALONE)]
    assert [each.what for each in warned] == (["storage.url"] if found else [])
    assert all(each.found.startswith(f"{found}, where anyone on the network path") for each in warned)


def test_files_of_a_database_url(tmp_path):
    """The key, the password file and the authority that the URL names are looked at as those of other secrets."""
    for name in ("key", "pass", "ca"):
        (tmp_path / name).touch(0o604)
    url = f"postgresql://db/t?sslmode=verify-full&sslkey={tmp_path}/key&passfile={tmp_path}/pass&sslrootcert={tmp_path}/ca"
    reported = config(storage=Storage(None, url=Secret(url), replica="a"))
    warned = {each.what for each in security_warnings(reported) if "lets every user read it" in each.found}
    assert warned == {f"the file of a secret {tmp_path}/{name}" for name in ("key", "pass")}


@pytest.fixture
def installed(tmp_path):
    """A configuration with a file of each kind, all as they should be; and its text."""
    tmp_path.chmod(0o755)
    for name in ("key", "t.db", "t.db-wal", "t.db.control", "t.db.before-restore-X", "other.db"):
        (tmp_path / name).write_text("k" * 20)
        (tmp_path / name).chmod(0o600)
    file = tmp_path / "tracker.toml"
    file.write_text(
        f'[storage]\npath = "{tmp_path}/t.db"\n[results]\narchive = "{tmp_path}/results"\n'
        f'[[accounts]]\nname = "a"\napi_key = {{ file = "{tmp_path}/key" }}\n'
        f'[[receivers]]\nname = "r"\nkind = "slack"\nurl = "https://a"\ntemplate = {{ file = "{tmp_path}/words" }}\n',
        "utf-8",
    )
    (tmp_path / "words").write_text("{{ title }}")
    (tmp_path / "words").chmod(0o644)
    (tmp_path / "results").mkdir(mode=0o700)
    file.chmod(0o644)
    return file


def warned(file):
    said = CliRunner().invoke(group, ["--config", str(file), "check"])
    assert said.exit_code == 0
    assert f"{file}: valid" in said.stdout
    return [line for line in said.stderr.splitlines() if "SQLite says" not in line]  # the database here is none


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "mode", "reported"),
    [
        ("tracker.toml", 0o666, "the configuration {}: found mode 0666, which lets every user change it"),
        ("key", 0o644, "the file of a secret {}: found mode 0644, which lets every user read it"),
        ("t.db", 0o644, "the database's file {}: found mode 0644, which lets every user read it"),
        ("t.db-wal", 0o604, "the database's file {}: found mode 0604"),
        ("t.db.control", 0o644, "the database's file {}: found mode 0644"),
        ("t.db.before-restore-X", 0o644, "the database's file {}: found mode 0644"),
        ("words", 0o666, "the file {}: found mode 0666, which lets every user change it"),
        ("results", 0o755, "the directory of results {}: found mode 0755, which lets every user read it"),
        (".", 0o777, "the directory {}: found mode 0777"),
    ],
    ids=["configuration", "secret", "database", "WAL", "control", "put aside", "template", "results", "directory"],
)
def test_check_warns_of_each_file(installed, name, mode, reported):
    """`check` looks at the real files, warns of the one that is open to others, and is valid all the same."""
    assert warned(installed) == []
    path = installed.parent / name
    path.chmod(mode)
    (line,) = warned(installed)
    assert line.startswith(f"warning   {reported.format(path)}")


def test_a_link_is_looked_through(installed):
    """Where a secret is reached by a link, the file and the directory that it leads to are looked at too."""
    (away := installed.parent / "away").mkdir()
    away.chmod(0o755)
    (installed.parent / "key").rename(away / "real")
    (installed.parent / "key").symlink_to(away / "real")
    assert warned(installed) == []
    away.chmod(0o777)
    (away / "real").chmod(0o640 | 0o004)
    assert [line.split(":")[0].removeprefix("warning").strip() for line in warned(installed)] == [
        f"the directory {away}",
        f"the file of a secret {installed.parent / 'key'}",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_whose_files_are_trusted(installed):
    """The files may be root's, the process's user's and the state directory's owner's, but no third user's."""
    for each in (installed.parent, *installed.parent.iterdir()):
        os.chown(each, 65534, 65534)
    assert warned(installed) == [], "the daemon is that user's"
    os.chown(installed, 1234, 0)
    (line,) = warned(installed)
    assert f"the configuration {installed}: found that it belongs to user 1234, who can change it" in line


def test_what_is_not_there_is_passed_over():
    """Files that do not exist yet are no reason to warn, nor to fail."""
    assert security_warnings(config(source="/nowhere/tracker.toml")) == []
