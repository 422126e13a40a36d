"""Secrets are where the configuration says they are, and no message ever shows one."""

import re

import pytest

from tracker.core.errors.config_error import ConfigError
from tracker.daemon.database_address import database_address
from tracker.daemon.load_configuration import load
from tracker.store.address import describe

CANARY = "canary-7f3a"
EXPECTED = 'expected { env = "NAME" }, { file = "PATH" } or { credential = "NAME" }'
HIDDEN = "the environment variable named there (not shown, it may be the secret itself)"
SIGNING = "whsec_" + "A" * 32
PRIVATE = "whsk_" + "B" * 43 + "="


@pytest.fixture
def directory(tmp_path, monkeypatch):
    """The working directory, with secrets good and bad in it."""
    monkeypatch.chdir(tmp_path)
    for name, content in {
        "good": f" {CANARY}\r\n",
        "empty": "\n",
        "lines": f"{CANARY}\n{CANARY}\n",
        "accents": f"{CANARY}é\n",
        "url": f"https://hooks.slack.example/{CANARY}\n",
        "bad_url": f"https://[{CANARY}\n",
    }.items():
        (tmp_path / name).write_text(content, "utf-8", newline="")
    (tmp_path / "binary").write_bytes(CANARY.encode() + b"\xff\xfe\0")
    (tmp_path / "marked").write_bytes(b"\xef\xbb\xbf" + CANARY.encode())
    return tmp_path


@pytest.fixture
def environ(directory):
    return {
        "HOME": str(directory),
        "CREDENTIALS_DIRECTORY": str(directory),
        "GOOD": f"{CANARY}\n",
        "SIGNING": SIGNING,
        "PRIVATE": PRIVATE,
        "EMPTY": " ",
        "LINES": f"{CANARY}\n{CANARY}",
        "ACCENTS": f"{CANARY}é",
        "URL": f"https://hooks.slack.example/{CANARY}",
        "BAD_URL": f"https://[{CANARY}",
    }


def mistake(environ, text):
    """The errors of a configuration with this text, none of which shows a secret."""
    with open("tracker.toml", "w", encoding="utf-8") as file:  # noqa: PTH123 - relative to the working directory
        file.write(text)
    with pytest.raises(ConfigError) as raised:
        load("tracker.toml", environ)
    chain = [raised.value, raised.value.__cause__, raised.value.__context__]
    assert CANARY not in "".join(map(repr, chain))
    return re.sub(r"^tracker\.toml:[0-9]+: ", "", str(raised.value))


@pytest.mark.parametrize(
    "written",
    [
        '{ env = "GOOD" }',
        '{ file = "good" }',
        '{ file = "./good" }',
        '{ file = "~/good" }',
        '{ credential = "good" }',
    ],
)
def test_read_from_where_it_is(environ, written):
    """From a variable, a file (relative to the working directory, or to $HOME) or a credential, without white space around."""
    with open("tracker.toml", "w", encoding="utf-8") as file:  # noqa: PTH123 - relative to the working directory
        file.write(f'[http]\ntoken = {written}\n[[accounts]]\nname = "a"\napi_key = {written}\n')
    loaded = load("tracker.toml", environ)
    assert [loaded.http.token.reveal(), loaded.accounts[0].api_key.reveal()] == [CANARY, CANARY]
    assert CANARY not in repr(loaded)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (f'"{CANARY}"', f"found a string (not shown), {EXPECTED}"),
        ('""', f"found a string (not shown), {EXPECTED}"),
        (f'["{CANARY}"]', f"found a list, {EXPECTED}"),
        ("5", f"found 5, {EXPECTED}"),
        (f'{{ value = "{CANARY}" }}', f"found another table, {EXPECTED}"),
        (f'{{ env = "GOOD", file = "{CANARY}" }}', f"found another table, {EXPECTED}"),
        ("{}", f"found another table, {EXPECTED}"),
        ("{ env = 5 }", f"found 5 for `env`, {EXPECTED}"),
        ('{ env = "" }', f"found '' for `env`, {EXPECTED}"),
        (f'{{ env = ["{CANARY}"] }}', f"found a list for `env`, {EXPECTED}"),
        ('{ file = "a\\u0000b" }', rf"found 'a\x00b' for `file`, {EXPECTED}"),
        ('{ env = "MISSING" }', "the environment variable MISSING is not set"),
        (f'{{ env = "{CANARY}" }}', f"{HIDDEN} is not set"),
        ('{ env = "EMPTY" }', "the environment variable EMPTY is empty, expected a secret in it"),
        (
            '{ env = "LINES" }',
            "the environment variable LINES holds something else (not shown), expected one line of printable ASCII",
        ),
        (
            '{ env = "ACCENTS" }',
            "the environment variable ACCENTS holds something else (not shown), expected one line of printable ASCII",
        ),
        ('{ file = "missing" }', "the file missing cannot be read: No such file or directory"),
        ('{ file = "." }', "the file . cannot be read: Is a directory"),
        ('{ file = "good/x" }', "the file good/x cannot be read: Not a directory"),
        ('{ file = "empty" }', "the file empty is empty, expected a secret in it"),
        ('{ file = "lines" }', "the file lines holds something else (not shown), expected one line of printable ASCII"),
        ('{ file = "accents" }', "the file accents holds something else (not shown), expected one line of printable ASCII"),
        ('{ file = "binary" }', "the file binary holds something else (not shown), expected one line of printable ASCII"),
        ('{ file = "marked" }', "the file marked holds something else (not shown), expected one line of printable ASCII"),
        (
            f'{{ file = "https://hooks.slack.example/{CANARY}" }}',
            "found a URL (not shown) for `file`, expected the path of a file that holds it",
        ),
        ('{ credential = "missing" }', "the credential missing cannot be read: No such file or directory"),
        ('{ credential = "empty" }', "the credential empty is empty, expected a secret in it"),
        (
            f'{{ credential = "../{CANARY}" }}',
            "found a path (not shown) for `credential`, expected the name of a credential",
        ),
        ('{ credential = ".." }', "found a path (not shown) for `credential`, expected the name of a credential"),
    ],
)
def test_not_there(environ, written, expected):
    """A secret that is written into the file, missing, empty or unusable is named, never shown."""
    assert mistake(environ, f'[[accounts]]\nname = "a"\napi_key = {written}\n') == f"accounts[0].api_key: {expected}"
    assert mistake(environ | {"MISTRAL_API_KEY": "key"}, f"[http]\ntoken = {written}\n") == f"http.token: {expected}"


def test_no_credentials_directory(environ):
    """Outside a service the message says what a credential needs."""
    del environ["CREDENTIALS_DIRECTORY"]
    assert mistake(environ, '[[accounts]]\nname = "a"\napi_key = { credential = "good" }\n') == (
        "accounts[0].api_key: the credential good cannot be read: $CREDENTIALS_DIRECTORY is not set; "
        "is this a service with LoadCredential=?"
    )


def test_bad_default_key(environ):
    """The key that stands for a missing [[accounts]] is held to the same."""
    assert mistake(environ | {"MISTRAL_API_KEY": f"{CANARY}\n{CANARY}"}, "") == (
        "accounts[0].api_key: the environment variable MISTRAL_API_KEY holds something else (not shown), "
        "expected one line of printable ASCII"
    )


@pytest.mark.parametrize("written", ['{ env = "URL" }', '{ file = "url" }', f'"https://hooks.slack.example/{CANARY}"'])
def test_receiver_url(environ, written):
    """A receiver's URL is a secret wherever it stands, even in the file itself."""
    with open("tracker.toml", "w", encoding="utf-8") as file:  # noqa: PTH123 - relative to the working directory
        file.write(f'[[receivers]]\nname = "r"\nkind = "slack"\nurl = {written}\n')
    loaded = load("tracker.toml", environ | {"MISTRAL_API_KEY": "key"})
    assert loaded.receivers[0].url.reveal() == f"https://hooks.slack.example/{CANARY}"
    assert CANARY not in repr(loaded)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (f'"{CANARY}"', "found something else (not shown), expected an http or https URL"),
        (f'"ftp://{CANARY}"', "found something else (not shown), expected an http or https URL"),
        (f'"https://[{CANARY}"', "found something else (not shown), expected an http or https URL"),
        (f'"https://a/{CANARY}\\n"', "found something else (not shown), expected an http or https URL"),
        ('""', "found something else (not shown), expected an http or https URL"),
        ('{ env = "BAD_URL" }', "found something else (not shown), expected an http or https URL"),
        ('{ file = "bad_url" }', "found something else (not shown), expected an http or https URL"),
        ('{ env = "GOOD" }', "found something else (not shown), expected an http or https URL"),
        ('{ env = "MISSING" }', "the environment variable MISSING is not set"),
        (f'["https://a/{CANARY}"]', f"found a list, {EXPECTED}"),
    ],
)
def test_bad_receiver_url(environ, written, expected):
    """An invalid URL is reported without showing it."""
    text = f'[[receivers]]\nname = "r"\nkind = "slack"\nurl = {written}\n'
    assert mistake(environ | {"MISTRAL_API_KEY": "key"}, text) == f"receivers[0].url: {expected}"


@pytest.mark.parametrize(
    ("written", "secrets"),
    [('{ env = "SIGNING" }', [SIGNING]), ('[{ env = "SIGNING" }, { env = "PRIVATE" }]', [SIGNING, PRIVATE])],
)
def test_signing_secrets(environ, written, secrets):
    """A receiver has one secret, or several while they are being changed."""
    with open("tracker.toml", "w", encoding="utf-8") as file:  # noqa: PTH123 - relative to the working directory
        file.write(f'[[receivers]]\nname = "r"\nkind = "webhook"\nurl = "https://a"\nsecret = {written}\n')
    loaded = load("tracker.toml", environ | {"MISTRAL_API_KEY": "key"})
    assert [each.reveal() for each in loaded.receivers[0].secrets] == secrets


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (f'"{CANARY}"', f"found a string (not shown), {EXPECTED}"),
        (f'[{{ env = "SIGNING" }}, "{CANARY}"]', f"found a string (not shown), {EXPECTED}"),
        ("[]", f"found an empty list, {EXPECTED}"),
        (
            '{ env = "GOOD" }',
            (
                "found something else (not shown), expected whsec_ and padded base64 of 24 to 64 bytes, "
                "or whsk_ and base64 of an ed25519 private key; config/tracker.toml says how to make one"
            ),
        ),
    ],
)
def test_bad_signing_secrets(environ, written, expected):
    """Each of several secrets is held to the same as one, and none of them is none."""
    text = f'[[receivers]]\nname = "r"\nkind = "webhook"\nurl = "https://a"\nsecret = {written}\n'
    assert mistake(environ | {"MISTRAL_API_KEY": "key"}, text) == f"receivers[0].secret: {expected}"


PASSWORD_IN_IT = f"found a URL with a password in it (not shown), {EXPECTED} for it"
INSIDE = "found a URL with `@`, `#` or `/` inside a part (not shown), expected %40, %23 or %2F there"


@pytest.mark.parametrize("key", ["url", "listen_url"])
@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        (f"postgresql://tracker:{CANARY}@db/tracker", PASSWORD_IN_IT),
        (f"postgres://:{CANARY}@db/tracker", PASSWORD_IN_IT),
        (f"postgresql://db/tracker?password={CANARY}", PASSWORD_IN_IT),
        (f"postgresql://db/tracker?sslpassword={CANARY}", PASSWORD_IN_IT),
        (f"postgresql://tracker:{CANARY}@1@db/tracker", INSIDE),
        (f"postgresql://tracker:p/{CANARY}@db/tracker", INSIDE),
        (f"postgresql://tracker:p/{CANARY}@db", "found a URL with a host or port that is none (not shown)"),
        (f"postgresql://tracker:p?{CANARY}@db/tracker", "found a URL that cannot be read (not shown)"),
        (f"postgresql://tracker:p?{CANARY}=1@db/tracker", "found a URL with an unknown parameter (not shown)"),
        (f"postgresql://tracker:p#{CANARY}@db/tracker", INSIDE),
        (f"postgresql://db/tracker/{CANARY}", INSIDE),
        ("postgresql://db/tracker?connect_timeout=5", "found a URL with the parameter connect_timeout, expected none but host"),
        (f"tracker:{CANARY}@db/tracker", "found something else (not shown)"),
    ],
)
def test_database_urls_are_not_shown(environ, key, url, wrong):
    """Whatever is wrong about a PostgreSQL URL, no message has a part of it that could be from a password."""
    storage = {"url": "postgresql://db/t", key: url}
    lines = "".join(f"{name} = '{value}'\n" for name, value in storage.items())
    assert mistake(environ | {"MISTRAL_API_KEY": "key"}, f"[storage]\n{lines}").startswith(f"storage.{key}: {wrong}")
    if wrong is not PASSWORD_IN_IT:
        environ |= {"MISTRAL_API_KEY": "key", "DATABASE_URL": url}
        text = f"[storage]\nurl = 'postgresql://db/t'\n{key} = {{ env = 'DATABASE_URL' }}\n" if key == "listen_url" else ""
        text = text or "[storage]\nurl = { env = 'DATABASE_URL' }\n"
        assert mistake(environ, text).startswith(f"storage.{key}: {wrong}")


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        (f"postgresql://tracker:{CANARY}%40@db:5432,other/tracker?sslmode=verify-full", [f"{CANARY}%40", f"{CANARY}@"]),
        (f"postgres:///tracker?host=/run/postgresql&password={CANARY}", [CANARY]),
        ("postgresql://%2Frun%2Fpostgresql/tracker?target_session_attrs=read-write&passfile=/etc/pass", []),
        ("postgresql://tracker@[::1]:5432", []),
    ],
)
def test_database_url_is_a_secret(environ, url, hidden):
    """A URL with a password may be in a variable, a file or a credential; it and its password are redacted from the log."""
    with open("tracker.toml", "w", encoding="utf-8") as file:  # noqa: PTH123 - as above
        file.write("[storage]\nurl = { env = 'DATABASE_URL' }\nreplica = 'a'\n")
    loaded = load("tracker.toml", environ | {"MISTRAL_API_KEY": "key", "DATABASE_URL": url})
    assert loaded.storage.url.reveal() == url
    assert CANARY not in repr(loaded)
    redacted = {url, *hidden} if hidden else set()  # an address without a password helps who reads the log
    assert {each for each in loaded.secrets() if each != "key"} == redacted
    address = database_address(loaded.storage)
    assert CANARY not in f"{address} {address!r} {describe(address)} {address.url_without_password}"
