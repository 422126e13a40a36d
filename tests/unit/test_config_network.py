"""What a configuration says of TLS, headers and URLs: read as values, and every mistake named without a secret."""

import re

import pytest
from authority import Authority, with_pass_phrase

from tracker.config.secrets.secret_references import EXPECTED
from tracker.core.errors.config_error import ConfigError
from tracker.daemon.load_configuration import load

CANARY = "canary-7f3a"
ENVIRON = {"HOME": "/nowhere", "KEY": "canary-key-3141", "GOOD": CANARY, "LINES": f"{CANARY}\n{CANARY}"}
ACCOUNT = '[[accounts]]\nname = "a"\napi_key = { env = "KEY" }\n'
HOOK = '[[receivers]]\nname = "r"\nkind = "webhook"\nurl = "https://example.com/hook"\n'
WITH_USER = HOOK.replace("example.com", "user:canary@example.com")
BOT = '[[receivers]]\nname = "r"\nkind = "slack"\ntoken = { env = "GOOD" }\nchannel = "#c"\n'


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """PEM files, good and bad, by name."""
    folder = tmp_path_factory.mktemp("pem")
    authority = Authority(folder)
    cert, key = authority.issue("one")
    other, other_key = authority.issue("two")
    named = {"ca": authority.ca, "cert": cert, "key": key, "other_key": other_key, "none": folder / "none", "folder": folder}
    for name, content in {
        "empty": b"",
        "text": b"no certificate\n",
        "broken": b"-----BEGIN CERTIFICATE-----\ncanary\n-----END CERTIFICATE-----\n",
        "locked": with_pass_phrase(key),
        "both": cert.read_bytes() + key.read_bytes(),
        "bundle": b"# r\xc3\xa9seau interne\n" + authority.ca.read_bytes() + other.read_bytes(),
    }.items():
        named[name] = folder / name
        named[name].write_bytes(content)
    return named


@pytest.fixture
def read(tmp_path):
    """Load a configuration of this text, in this environment too."""

    def read(text, **environ):
        (tmp_path / "tracker.toml").write_text(text)
        return load(str(tmp_path / "tracker.toml"), ENVIRON | environ)

    return read


@pytest.fixture
def mistakes(read, tmp_path):
    def mistakes(text, **environ):
        with pytest.raises(ConfigError) as raised:
            read(text, **environ)
        assert CANARY not in repr([raised.value, raised.value.__cause__, raised.value.__context__])
        file = re.escape(str(tmp_path / "tracker.toml"))
        return [re.sub(rf"^{file}:[0-9]+: ", "", line) for line in str(raised.value).splitlines()]

    return mistakes


@pytest.mark.parametrize("ca", ["ca", "bundle"])
def test_ca_file(read, files, ca):
    """A certificate, or several with words between them, are read, and no command waits for more than that."""
    assert read(f'{ACCOUNT}ca_file = "{files[ca]}"\n').accounts[0].tls.certificate is None


@pytest.mark.parametrize(("cert", "key"), [("cert", "key"), ("both", "both")])
def test_client_certificate(read, files, cert, key):
    """Certificate and key are in two files or in one."""
    tls = read(f"{HOOK}{_client(files[cert], files[key])}{ACCOUNT}").receivers[0].tls
    assert (tls.certificate.cert, tls.certificate.key) == (files[cert], files[key])


NO_PEM = (
    "client_certificate: the files {key} and {cert} hold no certificate and private key that can be read, expected both as PEM"
)
NUMBER = f".X: found 5, expected a string, or a reference to a secret: {EXPECTED}"


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("ca_file = 5", "ca_file: found 5, expected a string, printable and not empty"),
        ('ca_file = "{none}"', "ca_file: the file {none} cannot be read: No such file or directory"),
        ('ca_file = "{folder}"', "ca_file: the file {folder} cannot be read: Is a directory"),
        ('ca_file = "{empty}"', "ca_file: the file {empty} is empty, expected PEM in it"),
        *[
            (
                f'ca_file = "{{{name}}}"',
                f"ca_file: the file {{{name}}} holds no certificate that can be read, expected certificates of CAs as PEM",
            )
            for name in ("text", "broken", "key")
        ],
        ('client_certificate = "{cert}"', "client_certificate: found a string, expected a table"),
        (
            'client_certificate = {{ cert = "{cert}" }}',
            "client_certificate.key: missing, expected the path of its private key as PEM",
        ),
        (
            'client_certificate = {{ cert = "{none}", key = "{key}" }}',
            "client_certificate.cert: the file {none} cannot be read: No such file or directory",
        ),
        (
            'client_certificate = {{ cert = "{cert}", key = "{empty}" }}',
            "client_certificate.key: the file {empty} is empty, expected PEM in it",
        ),
        (
            'client_certificate = {{ cert = "{cert}", key = "{other_key}" }}',
            "client_certificate: the key in {other_key} is not the one of the certificate in {cert}",
        ),
        (
            'client_certificate = {{ cert = "{cert}", key = "{locked}" }}',
            "client_certificate: the key in {locked} has a pass phrase, expected one without: the daemon cannot ask for it",
        ),
        (
            'client_certificate = {{ cert = "{key}", key = "{cert}" }}',
            NO_PEM,
        ),
        (
            'client_certificate = {{ cert = "{cert}", kye = "{key}" }}',
            "client_certificate.kye: unknown key; did you mean `key`?",
        ),
    ],
)
def test_tls_that_cannot_be(mistakes, files, line, mistake):
    """A missing or unreadable file, one that is no PEM, a key of another certificate: the key, the file and what is wrong."""
    names = {name: str(file) for name, file in files.items()}
    expected = mistakes(f"{ACCOUNT}{line.format(**names)}\n")
    assert expected[0] == f"accounts[0].{mistake.format(**names)}"


@pytest.mark.parametrize("name", ["none", "text"])
def test_certificates_of_the_environment(mistakes, read, files, name):
    """A wrong $SSL_CERT_FILE is reported at the start: OpenSSL would ignore it and trust no certificate."""
    (expected,) = mistakes(ACCOUNT, SSL_CERT_FILE=str(files[name]))
    assert expected.startswith(f"$SSL_CERT_FILE: the file {files[name]} ")
    assert read(ACCOUNT, SSL_CERT_FILE=str(files["ca"])).accounts[0].tls is None


def test_headers(read):
    """Names in lower case, values from the file and from where secrets are; a secret is left out of the log, text is not."""
    loaded = read(f'{HOOK}headers = {{ "X-Team" = "research", "Authorization" = {{ env = "GOOD" }} }}\n{ACCOUNT}')
    (team, key) = loaded.receivers[0].headers
    assert (team.name, team.value.reveal(), key.name, key.value.reveal()) == ("x-team", "research", "authorization", CANARY)
    assert CANARY in loaded.secrets()
    assert "research" not in loaded.secrets()
    assert CANARY not in repr(loaded)


OURS = "found a header that is set with each request, expected another one"
TAKEN = "found a header that holds the key, token or user which is configured already, expected another one"
NO_VALUE = "found a string (not shown) that no header can have, expected one line of printable ASCII without space around"


@pytest.mark.parametrize(
    ("table", "line", "mistake"),
    [
        (ACCOUNT, '"X"', ': found a string, expected a table, such as { "X-Team" = "research" }'),
        (
            ACCOUNT,
            f'{{ "X: {CANARY}" = "x" }}',
            ": found a name (not shown) that no header has, expected letters, digits and hyphens",
        ),
        (ACCOUNT, '{ "" = "x" }', ": found a name (not shown) that no header has, expected letters, digits and hyphens"),
        *[
            (ACCOUNT, f'{{ "{name}" = "x" }}', f".{name}: {OURS}")
            for name in ("Host", "content-length", "Webhook-Id", "TE", "Traceparent", "ce-type")
        ],
        *[(table, '{ "Authorization" = "x" }', f".Authorization: {TAKEN}") for table in (ACCOUNT, BOT, WITH_USER)],
        *[
            (HOOK, f'{{ "X" = "{value}" }}', f".X: {NO_VALUE}")
            for value in ("", " ", f" {CANARY}", f"{CANARY}\\r\\nx: y", f"{CANARY}é", f"{CANARY}\\u0000", "x" * 8193)
        ],
        (HOOK, '{ "X" = { env = "MISSING" } }', ".X: the environment variable MISSING is not set"),
        (
            HOOK,
            '{ "X" = { env = "LINES" } }',
            ".X: the environment variable LINES holds something else (not shown), expected one line of printable ASCII",
        ),
        (
            HOOK,
            '{ "X" = 5 }',
            NUMBER,
        ),
        (HOOK, '{ "X" = "1", "x" = "2" }', ".X: found the header more than once, expected it once, in whatever case"),
    ],
)
def test_headers_that_cannot_be(mistakes, table, line, mistake):
    """A header that is ours, or that no request can have, is named by its key, and no value is shown."""
    text = f"{table}headers = {line}\n"
    kind = "accounts" if table is ACCOUNT else "receivers"
    expected = mistakes(text if table is ACCOUNT else text + ACCOUNT)
    assert expected[0] == f"{kind}[0].headers{mistake}"


@pytest.mark.parametrize(
    ("written", "taken"),
    [
        ("https://api.mistral.ai", "https://api.mistral.ai"),
        ("https://api.mistral.ai/", "https://api.mistral.ai/"),
        *[(f"https://api.mistral.ai{end}", "https://api.mistral.ai") for end in ("/v1", "/v1/", "//v1//", "/v1/batch/jobs")],
        ("https://gw.example/mistral/v1/batch/", "https://gw.example/mistral"),
        ("https://gw.example/v1/acme/mistral", "https://gw.example/v1/acme/mistral"),
        ("https://gw.example/xv1", "https://gw.example/xv1"),
        ("https://bücher.example/v1", "https://xn--bcher-kva.example"),
        ("http://FAß.example:8080/x", "http://xn--fa-hia.example:8080/x"),
    ],
)
def test_base_url_as_people_have_it(read, written, taken):
    """A `/v1` at the end is not doubled, and a host that is not ASCII is the one of DNS."""
    assert read(f'{ACCOUNT}base_url = "{written}"\n').accounts[0].base_url == taken


def test_receiver_on_an_international_host(read):
    """A receiver's URL may have such a host too, with a user and a port."""
    loaded = read(f"{HOOK.replace('example.com', 'u:p@Bücher.example:8443')}{ACCOUNT}")
    assert loaded.receivers[0].url.reveal() == "https://u:p@xn--bcher-kva.example:8443/hook"


def _client(cert, key):
    return f'client_certificate = {{ cert = "{cert}", key = "{key}" }}\n'
