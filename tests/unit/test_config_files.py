"""The file itself: unreadable, not UTF-8, not TOML, or written by an editor that marks its files."""

import codecs

import pytest

from tracker.config import storage_section
from tracker.core.errors.config_error import ConfigError
from tracker.daemon.load_configuration import load

KEY = {"HOME": "/home/someone", "MISTRAL_API_KEY": "key"}
GOOD = '[storage]\npath = "tracker.db"\n'


@pytest.fixture(params=[load, storage_section], ids=["load", "storage_section"])
def expected(request):
    """The errors of loading this file."""

    def told_of(path):
        with pytest.raises(ConfigError) as raised:
            request.param(str(path), KEY)
        return str(raised.value)

    return told_of


def test_missing(expected, tmp_path):
    """A file that is not there is an error, not a reason to run on defaults."""
    assert expected(tmp_path / "no.toml") == f"{tmp_path / 'no.toml'}: cannot be read: No such file or directory"


def test_directory(expected, tmp_path):
    """A directory is no file."""
    assert expected(tmp_path) == f"{tmp_path}: cannot be read: Is a directory"


@pytest.mark.parametrize(
    ("content", "line"),
    [(b"\xff", "1:1"), (b"[storage]\n# caf\xe9\n", "2:6"), (b"\xff\xfe[\0s\0", "1:1"), (codecs.BOM_UTF8 + b"\n\n\x80", "3:1")],
)
def test_not_utf8(expected, tmp_path, content, line):
    """A file in another encoding is an error with the line and column of its first wrong byte."""
    file = tmp_path / "tracker.toml"
    file.write_bytes(content)
    assert expected(file) == f"{file}:{line}: expected UTF-8, found another byte"


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("[storage]\npath = tracker.db\n", "2:8"),
        ("[storage]\npath \n", "2:6"),
        ("[storage\n", "1:9"),
        ("[storage]\n[storage]\n", "2:9"),
        ("\n\na = 1\na = 2\n", "4:6"),
        ("a = '\x1b'\n", "1:6"),
        ("\n[storage]\npath =", "3:7"),
        ('a = """', "1:8"),
    ],
)
def test_not_toml(expected, tmp_path, content, where):
    """A syntax error has its line and column, at the end of the file too."""
    file = tmp_path / "tracker.toml"
    file.write_text(content, "utf-8")
    message = expected(file)
    assert message.startswith(f"{file}:{where}: not TOML: ")
    assert "at line" not in message
    assert message.isprintable()


@pytest.mark.parametrize("content", ["[" * 100_000, "{ a = " * 100_000, "9" * 5000], ids=["arrays", "tables", "digits"])
def test_too_much(expected, tmp_path, content):
    """A file that exceeds the parser's limits is an error like any other that is not TOML."""
    file = tmp_path / "tracker.toml"
    file.write_text(f"# [\nb = [1, 2]\na = {content}", "utf-8")
    assert expected(file).startswith(f"{file}:3: not TOML: ")


def test_syntax_error_shows_no_secret(expected, tmp_path):
    """A message about syntax does not repeat what stands there."""
    for broken in (
        'secret = "canary',
        "secret = canary",
        'secret = "canary" x',
        "secret = 'canary\n'",
        '"canary\n" = 1',
        "canary",
    ):
        file = tmp_path / "tracker.toml"
        file.write_text(broken, "utf-8")
        assert "canary" not in expected(file)


@pytest.mark.parametrize("content", [codecs.BOM_UTF8 + GOOD.encode(), GOOD.replace("\n", "\r\n").encode()], ids=["BOM", "CRLF"])
def test_files_of_any_editor(tmp_path, content):
    """A mark at the beginning or two characters at the ends of lines change nothing."""
    file = tmp_path / "tracker.toml"
    file.write_bytes(content)
    assert str(load(str(file), KEY).storage.path) == "tracker.db"
