"""Each mistake in a configuration gives its message, to the letter: where, what was found, what is expected."""

import re

import pytest

from tracker.config import Listen
from tracker.config.postgres_urls import SSL_MODES
from tracker.core.errors.config_error import ConfigError
from tracker.daemon.load_configuration import load
from tracker.delivery.notifiers.kind_registry import NOTIFIER_KINDS

KINDS = " or ".join(map(repr, NOTIFIER_KINDS))
ENVIRON = {"HOME": "/home/someone", "MISTRAL_API_KEY": "key", "TOKEN": "token-of-sixteen", "SHORT": "fifteen-letters"}
SECTIONS = "accounts, http, maintenance, metrics, network, prices, receivers, results, storage, telemetry"
DURATION = 'expected a duration such as "500ms", "15s", "5m", "2h" or "7d"'
RATE = 'expected a rate such as "10/s", "30/min" or "100/h"'
SHARE = 'expected a number above 0 and up to 1, such as 0.5, or "off"'
WRONG_SHARES = [("0", "0"), ("0.0", "0.0"), ("1.01", "1.01"), ("-1", "-1"), ("true", "true"), ("nan", "nan"), ("'on'", "'on'")]
URL = 'expected an http or https URL, such as "https://api.mistral.ai"'
LISTEN = 'expected HOST:PORT, such as "127.0.0.1:9471" or "[::1]:9471"'
NAME = "expected up to 64 letters, digits, `_`, `.` or `-`"
TEXT = "expected a string, printable and not empty"
DATABASE = 'expected a PostgreSQL URL or a reference to one, such as "postgresql://tracker@db.example.com/tracker"'
NO_HOST = f"found a URL with a host or port that is none (not shown), {DATABASE}"
SCHEMA = "expected up to 63 of a-z, 0-9 and `_`, no digit first, none of PostgreSQL's own"
REPLICA = "expected a name of up to 100 printable characters"
ON_POSTGRES = "[storage]\nurl = 'postgresql://db/t'\n"


@pytest.fixture
def mistakes(tmp_path):
    """Load a configuration with this text and give its mistakes, without the file's name and the line."""

    def reported(text):
        file = tmp_path / "tracker.toml"
        file.write_text(text, "utf-8")
        with pytest.raises(ConfigError) as raised:
            load(str(file), ENVIRON)
        assert str(raised.value).replace("\n", "").isprintable()
        found = [re.fullmatch(rf"{re.escape(str(file))}:[0-9]+: (.*)", line) for line in str(raised.value).split("\n")]
        return [each[1] for each in found]

    return reported


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("storag = 1", "storag: unknown key; did you mean `storage`?"),
        ("[acounts]", "acounts: unknown key; did you mean `accounts`?"),
        ("zzz = 1", f"zzz: unknown key, expected one of {SECTIONS}"),
        (
            '"a\\u001b[31m\\nb" = 1',
            rf"'a\x1b[31m\nb': unknown key, expected one of {SECTIONS}",
        ),
        ("[storage]\npth = 1", "storage.pth: unknown key; did you mean `path`?"),
        ("[metrics]\nmax_job_series = -1", "metrics.max_job_series: found -1, expected a whole number from 0 to 100000"),
        ("[metrics]\nmax_job_series = 1.0", "metrics.max_job_series: found 1.0, expected a whole number from 0 to 100000"),
        ("[metrics]\nmax_job_series = true", "metrics.max_job_series: found true, expected a whole number from 0 to 100000"),
        ("[http]\nport = 1", "http.port: unknown key, expected one of base_path, external_url, hosts, listen, token"),
        (
            '[http]\nhosts = "localhost"',
            'http.hosts: found a string, expected a list of names, such as ["tracker.example.com"]',
        ),
        ('[http]\nhosts = ["a:1"]', "http.hosts: found 'a:1', expected a name without a port, such as \"tracker.example.com\""),
        ('[http]\nhosts = ["a.b", 5]', 'http.hosts: found 5, expected a name without a port, such as "tracker.example.com"'),
        (
            "[network]\nuse_environment_proxy = true",
            "network.use_environment_proxy: unknown key; did you mean `use_environment_proxies`?",
        ),
        ("[[storage]]", "storage: found a list, expected a table"),
        ("storage = 'tracker.db'", "storage: found a string, expected a table"),
        ("storage = 1", "storage: found 1, expected a table"),
        ("http = 2026-01-02T03:04:05Z", "http: found 2026-01-02 03:04:05+00:00, expected a table"),
        ("network = []", "network: found an empty list, expected a table"),
        ("[storage]\npath = ''", f"storage.path: found '', {TEXT}"),
        ("[storage]\npath = 5", f"storage.path: found 5, {TEXT}"),
        ("[storage]\npath = [1]", f"storage.path: found a list, {TEXT}"),
        ("[storage.path]", f"storage.path: found a table, {TEXT}"),
        ('[storage]\npath = "a\\nb\\u001b"', rf"storage.path: found 'a\nb\x1b', {TEXT}"),
        ("[storage]\nurl = 5", f"storage.url: found 5, {DATABASE}"),
        ("[storage]\nurl = 'mysql://db/t'", f"storage.url: found something else (not shown), {DATABASE}"),
        ("[storage]\nurl = ' postgresql://db/t'", f"storage.url: found something else (not shown), {DATABASE}"),
        ("[storage]\nurl = 'postgresql://[::1/t'", f"storage.url: found a URL that cannot be read (not shown), {DATABASE}"),
        (
            "[storage]\nurl = 'postgresql://db/t?a'",
            f"storage.url: found a URL that cannot be read (not shown), {DATABASE}",
        ),
        ("[storage]\nurl = 'postgresql://db:0/t'", f"storage.url: {NO_HOST}"),
        ("[storage]\nurl = 'postgresql://db:65536/t'", f"storage.url: {NO_HOST}"),
        ("[storage]\nurl = 'postgresql://a,,b/t'", f"storage.url: {NO_HOST}"),
        (
            "[storage]\nurl = 'postgresql://db/t?sslmode=yes'",
            f"storage.url: found a URL with sslmode='yes', expected {' or '.join(SSL_MODES)}",
        ),
        (
            "[storage]\nurl = 'postgresql://db/t?user=a&user=b'",
            f"storage.url: found a URL with a parameter twice (not shown), {DATABASE}",
        ),
        (
            "[storage]\nurl = { env = 'NO_URL' }",
            "storage.url: the environment variable NO_URL is not set",
        ),
        (
            "[storage]\npath = 'a.db'\nurl = 'postgresql://db/t'",
            "storage.url: found beside storage.path, and only one of them can have the log: remove the other",
        ),
        ("[storage]\nschema = 'a'", "storage.schema: is for PostgreSQL alone: set storage.url, or remove this"),
        (
            f"{ON_POSTGRES}keep_events = '90d'",
            "storage.keep_events: is for an SQLite file alone: on PostgreSQL the whole log is kept; remove this",
        ),
        (
            f"{ON_POSTGRES}segments = '/srv/segments'",
            "storage.segments: is for an SQLite file alone: on PostgreSQL the whole log is kept; remove this",
        ),
        ("[storage]\nkeep_events = '59m'", 'storage.keep_events: found \'59m\', expected a duration from "1h" to "3650d"'),
        ("[storage]\nreplica = 'a'", "storage.replica: is for PostgreSQL alone: set storage.url, or remove this"),
        (
            "[storage]\nlisten_url = 'postgresql://db/t'",
            "storage.listen_url: is for PostgreSQL alone: set storage.url, or remove this",
        ),
        (f"{ON_POSTGRES}listen_url = 'db'", f"storage.listen_url: found something else (not shown), {DATABASE}"),
        *(
            (f"{ON_POSTGRES}schema = {name!r}", f"storage.schema: found {name!r}, {SCHEMA}")
            for name in ("", "Tracker", "1a", "a-b", 'a"b', "pg_tracker", "information_schema", 5)
        ),
        (f"{ON_POSTGRES}schema = '{'a' * 64}'", f"storage.schema: found '{'a' * 60}'…, {SCHEMA}"),
        *(
            (f"{ON_POSTGRES}replica = {name}", f"storage.replica: found {shown}, {REPLICA}")
            for name, shown in (
                ("''", "''"),
                ("' '", "' '"),
                ('"a\\nb"', r"'a\nb'"),
                ("7", "7"),
                (f"'{'a' * 101}'", f"'{'a' * 60}'…"),
            )
        ),
        (
            "[storage]\npath = '~other/x'",
            "storage.path: found '~other/x', expected a path; `~/` needs $HOME, and no other `~` is known",
        ),
        ("[network]\nuse_environment_proxies = 1", "network.use_environment_proxies: found 1, expected true or false"),
        ("[network]\nuse_environment_proxies = 'yes'", "network.use_environment_proxies: found 'yes', expected true or false"),
        ("accounts = []", "accounts: found none, expected at least one [[accounts]], or $MISTRAL_API_KEY instead of them"),
        ("[accounts]\nname = 'x'", "accounts: found a table, expected [[accounts]]"),
        ("accounts = 'x'", "accounts: found a string, expected [[accounts]]"),
        ("accounts = true", "accounts: found true, expected [[accounts]]"),
        ("accounts = [1]", "accounts[0]: found 1, expected a table"),
        ("receivers = 0.5", "receivers: found 0.5, expected [[receivers]]"),
        ("receivers = ['x']", "receivers[0]: found a string, expected a table"),
        ("[[receivers]]\nname = 'x'\nurl = 'http://a'", f"receivers[0].kind: missing, expected {KINDS}"),
        (
            "[[receivers]]\nname = 'x'\nkind = 'slack'",
            "receivers[0].url: expected either the URL of an incoming webhook, or a bot's `token` and `channel`",
        ),
    ],
)
def test_structure(mistakes, text, mistake):
    """Unknown keys, wrong tables and missing keys."""
    assert mistakes(text) == [mistake]


@pytest.mark.parametrize(
    ("listen", "found"),
    [
        ("9471", "9471"),
        ("true", "true"),
        ("'9471'", "'9471'"),
        ("':9471'", "':9471'"),
        ("'localhost'", "'localhost'"),
        ("'localhost:'", "'localhost:'"),
        ("'localhost:http'", "'localhost:http'"),
        ("'localhost:65536'", "'localhost:65536'"),
        ("'localhost:-1'", "'localhost:-1'"),
        ("'localhost: 80'", "'localhost: 80'"),
        ("'localhost:٣'", "'localhost:٣'"),
        ("'::1'", "'::1'"),
        ("'::1:9471'", "'::1:9471'"),
        ("'[::1]'", "'[::1]'"),
        ("'[127.0.0.1]:9471'", "'[127.0.0.1]:9471'"),
        ("'[:]:9471'", "'[:]:9471'"),
        ("'[::1:9471'", "'[::1:9471'"),
        ("'http://localhost:9471'", "'http://localhost:9471'"),
        ("'localhost:" + "9" * 5000 + "'", "'localhost:" + "9" * 50 + "'…"),
        ("0x" + "f" * 4000, "a huge number"),
        ("{ port = 80 }", "a table"),
    ],
)
def test_listen(mistakes, listen, found):
    """What is not HOST:PORT; an IPv6 address has to be in brackets."""
    assert mistakes(f"[http]\nlisten = {listen}") == [f"http.listen: found {found}, {LISTEN}"]


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "example.com", "[2001:db8::1]", "localhost.example"])  # noqa: S104
def test_listening_to_the_world_needs_a_token(mistakes, tmp_path, host):
    """An address that others reach is refused without a token, and taken with one."""
    bare = host.strip("[]")
    assert mistakes(f"[http]\nlisten = '{host}:9471'") == [
        f"http.listen: found '{bare}', which is not loopback, and no http.token; expected a token to go with it"
    ]
    file = tmp_path / "with_token.toml"
    file.write_text(f"[http]\nlisten = '{host}:9471'\ntoken = {{ env = 'TOKEN' }}\n")
    http = load(str(file), ENVIRON).http
    assert (http.listen, http.token.reveal()) == ((Listen(bare, 9471),), "token-of-sixteen")


@pytest.mark.parametrize("listen", ["'0.0.0.0:1'", "['127.0.0.1:1', '192.0.2.1:1']"], ids=["one", "one of two"])
def test_a_short_token_is_refused_where_others_can_try(mistakes, tmp_path, listen):
    """Fifteen characters are too few for an address that others reach, and are taken for loopback."""
    (mistake,) = mistakes(f"[http]\nlisten = {listen}\ntoken = {{ env = 'SHORT' }}\n")
    assert mistake.startswith("http.token: found a token of 15 characters (not shown), expected at least 16 where '")
    file = tmp_path / "loopback.toml"
    file.write_text("[http]\ntoken = { env = 'SHORT' }\n")
    assert load(str(file), ENVIRON).http.token


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("127.8.8.8:65535", "127.8.8.8", 65535),
        ("[::1]:9471", "::1", 9471),
        ("localhost:1", "localhost", 1),
    ],
)
def test_loopback_needs_no_token(tmp_path, listen, host, port):
    """Loopback, IPv6 too, is taken as it is."""
    file = tmp_path / "tracker.toml"
    file.write_text(f"[http]\nlisten = '{listen}'\n")
    http = load(str(file), ENVIRON).http
    assert (http.listen, http.token) == ((Listen(host, port),), None)


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("name = 'two words'", f"name: found 'two words', {NAME}"),
        ("name = ''", f"name: found '', {NAME}"),
        ("name = 'é'", f"name: found 'é', {NAME}"),
        (f"name = '{'x' * 65}'", f"name: found '{'x' * 60}'…, {NAME}"),
        ("name = 7", f"name: found 7, {NAME}"),
        ("poll_interval = 15", f"poll_interval: found 15, {DURATION}"),
        ("poll_interval = true", f"poll_interval: found true, {DURATION}"),
        ("poll_interval = '15'", f"poll_interval: found '15', {DURATION}"),
        ("poll_interval = '15 s'", f"poll_interval: found '15 s', {DURATION}"),
        ("poll_interval = '-15s'", f"poll_interval: found '-15s', {DURATION}"),
        ("poll_interval = '1w'", f"poll_interval: found '1w', {DURATION}"),
        ("poll_interval = '٣s'", f"poll_interval: found '٣s', {DURATION}"),
        ("poll_interval = ''", f"poll_interval: found '', {DURATION}"),
        ("poll_interval = '49ms'", 'poll_interval: found \'49ms\', expected a duration from "50ms" to "1d"'),
        ("poll_interval = '1d1ms'", 'poll_interval: found \'1d1ms\', expected a duration from "50ms" to "1d"'),
        ("backfill = '3651d'", 'backfill: found \'3651d\', expected a duration from "0s" to "3650d"'),
        *[(f"failed_share = {value}", f"failed_share: found {found}, {SHARE}") for value, found in WRONG_SHARES],
        ("request_timeout = '0s'", 'request_timeout: found \'0s\', expected a duration from "50ms" to "10m"'),
        ("requests_per_second = 0", "requests_per_second: found 0, expected a number from 0.001 to 1000, such as 1.0"),
        ("requests_per_second = 1001", "requests_per_second: found 1001, expected a number from 0.001 to 1000, such as 1.0"),
        ("requests_per_second = nan", "requests_per_second: found nan, expected a number from 0.001 to 1000, such as 1.0"),
        ("requests_per_second = true", "requests_per_second: found true, expected a number from 0.001 to 1000, such as 1.0"),
        ("requests_per_second = '1'", "requests_per_second: found '1', expected a number from 0.001 to 1000, such as 1.0"),
        ("stalled_after = '999ms'", 'stalled_after: found \'999ms\', expected a duration from "1s" to "3650d"'),
        ("timeout_hours = 0", "timeout_hours: found 0, expected a number from 0.001 to 8784, such as 24"),
        ("timeout_hours = '24h'", "timeout_hours: found '24h', expected a number from 0.001 to 8784, such as 24"),
        ("unreachable_after = 300", f"unreachable_after: found 300, {DURATION}"),
        ("base_url = 'api.mistral.ai'", f"base_url: found 'api.mistral.ai', {URL}"),
        ("base_url = 'ftp://api.mistral.ai'", f"base_url: found 'ftp://api.mistral.ai', {URL}"),
        ("base_url = 'https://'", f"base_url: found 'https://', {URL}"),
        ("base_url = 'https://:443'", f"base_url: found 'https://:443', {URL}"),
        ("base_url = 'https://a:port'", f"base_url: found 'https://a:port', {URL}"),
        ("base_url = 'https://a:0'", f"base_url: found 'https://a:0', {URL}"),
        ("base_url = 'https://[::1'", f"base_url: found 'https://[::1', {URL}"),
        ("base_url = 'https://a b'", f"base_url: found 'https://a b', {URL}"),
        ('base_url = "https://a\\n"', rf"base_url: found 'https://a\n', {URL}"),
        (
            "base_url = 'https://é/é'",
            f"base_url: found 'https://é/é', {URL}; all but its host in ASCII, other characters as %XX",
        ),
        ("base_url = 443", f"base_url: found 443, {URL}"),
        ("base_url = 'https://a/?x=canary'", f"base_url: found a URL with a query or a fragment (not shown), {URL}"),
        ("base_url = 'https://a/#canary'", f"base_url: found a URL with a query or a fragment (not shown), {URL}"),
        ("base_url = 'https://u:canary@a'", f"base_url: found a URL with credentials in it (not shown), {URL}"),
        ("base_url = 'https://u:canary@[::1'", f"base_url: found a URL with credentials in it (not shown), {URL}"),
        ("base_url = 'u:canary@a:port'", f"base_url: found a URL with credentials in it (not shown), {URL}"),
        ("base_ulr = 'https://a'", "base_ulr: unknown key; did you mean `base_url`?"),
    ],
)
def test_account(mistakes, line, mistake):
    """What can be wrong about an account."""
    name = "" if line.startswith("name") else "name = 'a'\n"
    assert mistakes(f"[[accounts]]\n{name}api_key = {{ env = 'MISTRAL_API_KEY' }}\n{line}\n") == [f"accounts[0].{mistake}"]


@pytest.mark.parametrize(
    ("line", "mistake"),
    [
        ("kind = 'email'", f"kind: found 'email', expected {KINDS}"),
        ("kind = ['slack']", f"kind: found a list, expected {KINDS}"),
        ("events = []", "events: found an empty list, expected a list of strings"),
        (
            'events = ["batch.failed", "batch.complete"]',
            "events: found 'batch.complete', which matches no event type; did you mean 'batch.completed'?",
        ),
        (
            'events = ["batch.complete", "Batch.failed"]',
            (
                "events: found 'batch.complete', which matches no event type; did you mean 'batch.completed'?; "
                "also found 'Batch.failed', which matches no event type; did you mean 'batch.failed'?"
            ),
        ),
        ('events = ["batches.*"]', "events: found 'batches.*', which matches no event type; did you mean 'batch.*'?"),
        ("events = 'batch.*'", "events: found a string, expected a list of strings"),
        ("events = ['batch.*', 5]", f"events: found 5, {TEXT}"),
        ("retry = '5s'", "retry: found a string, expected a list of durations"),
        ("retry = []", "retry: found an empty list, expected a list of durations"),
        ("retry = ['5s', 5]", f"retry: found 5, {DURATION}"),
        ("retry = ['31d']", 'retry: found \'31d\', expected a duration from "0s" to "30d"'),
        ("hold = 'never'", f"hold: found 'never', {DURATION}"),
        ("remind_every = '30s'", 'remind_every: found \'30s\', expected a duration from "1m" to "3650d"'),
        ("remind_every = true", f"remind_every: found true, {DURATION}"),
        ("rate_limit = 10", f"rate_limit: found 10, {RATE}"),
        ("rate_limit = '10'", f"rate_limit: found '10', {RATE}"),
        ("rate_limit = '-1/s'", f"rate_limit: found '-1/s', {RATE}"),
        ("rate_limit = '10 / s'", f"rate_limit: found '10 / s', {RATE}"),
        ("rate_limit = '1/d'", f"rate_limit: found '1/d', {RATE}"),
        ("rate_limit = '0/s'", 'rate_limit: found \'0/s\', expected a rate from "1/h" to "1000/s"'),
        ("rate_limit = '0.5/h'", 'rate_limit: found \'0.5/h\', expected a rate from "1/h" to "1000/s"'),
        ("rate_limit = '1001/s'", 'rate_limit: found \'1001/s\', expected a rate from "1/h" to "1000/s"'),
        ("match = 'x'", "match: found a string, expected a table"),
        ("match = { modle = 'x' }", "match.modle: unknown key; did you mean `model`?"),
        ("match = { model = '' }", f"match.model: found '', {TEXT}"),
        ("match = { metadata = 'x' }", "match.metadata: found a string, expected a table of globs"),
        ("match = { metadata = { team = 5 } }", f"match.metadata: found 5, {TEXT}"),
    ],
)
def test_receiver(mistakes, line, mistake):
    """What can be wrong about a receiver."""
    kind = "" if line.startswith("kind") else "kind = 'webhook'\n"
    assert mistakes(f"[[receivers]]\nname = 'r'\nurl = 'https://a'\n{kind}{line}\n") == [f"receivers[0].{mistake}"]


@pytest.mark.parametrize(
    ("table", "rest"), [("accounts", "api_key = { env = 'TOKEN' }"), ("receivers", "kind = 'slack'\nurl = 'https://a'")]
)
def test_names_are_their_own(mistakes, table, rest):
    """Two of a kind cannot share a name; an account and a receiver can."""
    text = "".join(f"[[{table}]]\nname = '{name}'\n{rest}\n" for name in "aba")
    assert mistakes(text) == [f"{table}[2].name: found 'a' twice, expected a name of its own"]


def test_every_mistake_at_once(mistakes):
    """All mistakes are reported at once, in the order of the file, and nothing that is right."""
    assert mistakes(
        "color = 1\nbigger = 1\n[storage]\npth = 1\n[http]\nlisten = 2\ntoken = 3\n[[accounts]]\n[[accounts]]\nname = 4\n"
    ) == [
        f"color: unknown key, expected one of {SECTIONS}",
        f"bigger: unknown key, expected one of {SECTIONS}",
        "storage.pth: unknown key; did you mean `path`?",
        f"http.listen: found 2, {LISTEN}",
        'http.token: found 3, expected { env = "NAME" }, { file = "PATH" } or { credential = "NAME" }',
        'accounts[0].name: missing, expected a name, such as "default"',
        'accounts[0].api_key: missing, expected { env = "MISTRAL_API_KEY" }',
        f"accounts[1].name: found 4, {NAME}",
        'accounts[1].api_key: missing, expected { env = "MISTRAL_API_KEY" }',
    ]


BASE_PATH = 'expected "/", or a path such as "/tracker"'
OURS = 'expected a path that does not begin as one of our own, such as "/tracker"'
EXTERNAL = 'expected an http or https URL, such as "https://ops.example.com/tracker"'


@pytest.mark.parametrize(
    ("lines", "mistake"),
    [
        ("listen = []", f"listen: found an empty list, {LISTEN}"),
        ("listen = ['127.0.0.1:1', 2]", f"listen: found 2, {LISTEN}"),
        ("listen = ['127.0.0.1:1', '127.0.0.1:1']", "listen: found '127.0.0.1:1' twice, expected each address once"),
        (
            "listen = ['127.0.0.1:1', '0.0.0.0:1']",
            "listen: found '0.0.0.0', which is not loopback, and no http.token; expected a token to go with it",
        ),
        ("base_path = 5", f"base_path: found 5, {BASE_PATH}"),
        ("base_path = 'tracker'", f"base_path: found 'tracker', {BASE_PATH}"),
        ("base_path = '//'", f"base_path: found '//', {BASE_PATH}"),
        ("base_path = '/a/../b'", f"base_path: found '/a/../b', {BASE_PATH}"),
        ("base_path = '/a?b'", f"base_path: found '/a?b', {BASE_PATH}"),
        ("base_path = '/%61'", f"base_path: found '/%61', {BASE_PATH}"),
        ("base_path = '/jobs/tracker'", f"base_path: found '/jobs/tracker', {OURS}"),
        ("external_url = 'ops.example.com'", f"external_url: found 'ops.example.com', {EXTERNAL}"),
        (
            "external_url = 'https://u:canary@ops.example.com'",
            f"external_url: found a URL with credentials, a query or a fragment (not shown), {EXTERNAL}",
        ),
        ("external_url = 'https://ops.example.com/api'", f"external_url: found '/api', {OURS}"),
        (
            "external_url = 'https://ops.example.com/a'\nbase_path = '/b'",
            "external_url: found the path '/a', expected that of http.base_path: '/b'",
        ),
        (
            "external_url = 'https://ops.example.com/a'\nbase_path = '/'",
            "external_url: found the path '/a', expected that of http.base_path: '/'",
        ),
    ],
)
def test_http(mistakes, lines, mistake):
    """What can be wrong about where the server is."""
    assert mistakes(f"[http]\n{lines}\n") == [f"http.{mistake}"]


@pytest.mark.parametrize(
    ("lines", "base_path", "external_url"),
    [
        ("base_path = '/'", "", None),
        ("base_path = '/tracker/'", "/tracker", None),
        ("external_url = 'https://ops.example.com/'", "", "https://ops.example.com"),
        ("external_url = 'https://ops.example.com:8443/a/b/'", "/a/b", "https://ops.example.com:8443/a/b"),
        ("external_url = 'https://ops.example.com/a'\nbase_path = '/a/'", "/a", "https://ops.example.com/a"),
    ],
)
def test_where_people_reach_it(tmp_path, lines, base_path, external_url):
    """A slash at the end does not matter, and the path of `external_url` is the base path."""
    file = tmp_path / "tracker.toml"
    file.write_text(f"[http]\n{lines}\nlisten = ['127.0.0.1:1', '[::1]:1']\n")
    http = load(str(file), ENVIRON).http
    assert (http.base_path, http.external_url) == (base_path, external_url)
    assert http.listen == (Listen("127.0.0.1", 1), Listen("::1", 1))
