"""Whatever stands in the file, loading it gives a configuration or a `ConfigError`, and no secret in it."""

import json
import string

from hypothesis import given
from hypothesis import strategies as st

from tracker.config import Account, Config, ResultsConfig
from tracker.core.errors.config_error import ConfigError
from tracker.daemon.load_configuration import load
from tracker.delivery.notifiers.kind_registry import RECEIVER_KINDS

RECEIVER_KEYS = sorted({"kind", *(key for kind in RECEIVER_KINDS for key in kind.__struct_fields__)})
CANARY = "canary-7f3a"
KEYS = ("storage", "http", "network", "accounts", "receivers", "path", "listen", "token", "use_environment_proxies", "secret")
ENVIRON = {"HOME": "/home/someone", "GOOD": CANARY, "BAD": f"{CANARY}\n{CANARY}", "URL": f"https://example.com/{CANARY}"}

PRICE_KEYS = ("model", "input", "output", "pages", "currency")

keys = st.sampled_from([*KEYS, *Account.__struct_fields__, *RECEIVER_KEYS]) | st.text(max_size=5)
references = st.sampled_from(
    [
        {"env": "GOOD"},
        {"env": "BAD"},
        {"env": "URL"},
        {"env": CANARY},
        {"file": "/nowhere/at/all"},
        {"file": "\0"},
        {"credential": "none"},
        {"value": CANARY},
    ]
)
plausible = st.sampled_from(["webhook", "forever", "15s", "127.0.0.1:0", "[::1]:1", "0.0.0.0:1", "https://[::1", "~/x", "~x"])
leaves = (
    st.text(max_size=20)
    | st.text(string.printable, max_size=20)
    | plausible
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**3999, max_value=10**4000).map(hex)
    | st.floats()
    | st.datetimes()
    | st.dates()
    | st.times()
    | references
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4), max_leaves=8
)
secrets = references | st.just(CANARY) | st.lists(st.just(CANARY) | references, max_size=2)
accounts = st.fixed_dictionaries({}, optional=dict.fromkeys(Account.__struct_encode_fields__, values) | {"api_key": secrets})
receivers = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(RECEIVER_KEYS, values)
    | {
        "url": secrets | st.sampled_from([f"https://[{CANARY}", f"https://a/{CANARY}\n", f"http://:0/{CANARY}"]),
        "secret": secrets,
    },
)
configurations = st.fixed_dictionaries(
    {},
    optional={
        "storage": st.fixed_dictionaries({}, optional={"path": values}) | values,
        "http": st.fixed_dictionaries({}, optional={"listen": values, "token": secrets}),
        "network": values,
        "results": st.fixed_dictionaries({}, optional=dict.fromkeys(ResultsConfig.__struct_fields__, values)) | values,
        "prices": st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(PRICE_KEYS, values)), max_size=2) | values,
        "accounts": st.lists(accounts, max_size=3) | values,
        "receivers": st.lists(receivers, max_size=2) | values,
        "extra": values,
    },
)


def toml(value):
    """`value` as an inline TOML value."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{quoted(key)} = {toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return value if value.startswith("0x") else quoted(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value).lower()


def quoted(text):
    return json.dumps("".join(each for each in text if not "\ud800" <= each <= "\udfff"), ensure_ascii=False).replace(
        "\x7f", ""
    )


def outcome(content, tmp_path_factory, environ):
    """A configuration or an error; anything else is raised."""
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_bytes(content)
    try:
        return load(str(file), environ)
    except ConfigError as error:
        return error


def check(found):
    assert isinstance(found, Config | ConfigError)
    if isinstance(found, ConfigError):
        assert str(found)
        assert str(found).replace("\n", "").isprintable()
    assert CANARY not in repr(found)


@given(values=configurations, environ=st.sampled_from([ENVIRON, ENVIRON | {"MISTRAL_API_KEY": CANARY}, {}]))
def test_any_values(tmp_path_factory, values, environ):
    """Any TOML is a configuration or a list of mistakes, printable and without the secrets that it refers to or holds."""
    content = "\n".join(f"{quoted(key)} = {toml(value)}" for key, value in values.items())
    check(outcome(content.encode(), tmp_path_factory, environ))


@given(content=st.binary(max_size=60) | st.text(string.printable + "é\u2028", max_size=60).map(str.encode))
def test_any_bytes(tmp_path_factory, content):
    """Any bytes are a configuration or one mistake."""
    check(outcome(content, tmp_path_factory, ENVIRON))


@given(text=st.text(string.digits + ".smhd- ٣", max_size=12))
def test_any_duration(tmp_path_factory, text):
    """Any text is a duration in its bounds, or a mistake that shows it."""
    account = {"name": "a", "api_key": {"env": "GOOD"}, "poll_interval": text}
    found = outcome(f"accounts = [{toml(account)}]".encode(), tmp_path_factory, ENVIRON)
    if isinstance(found, Config):
        assert 0.05 <= found.accounts[0].poll_interval <= 86400
    else:
        assert f"accounts[0].poll_interval: found {text!r}, expected a duration" in str(found)
