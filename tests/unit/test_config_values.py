"""What a configuration says is what it gives: each key's value, in the units of the model."""

import math

import pytest

from tracker.config import Match
from tracker.daemon.load_configuration import load
from tracker.http.proxies import Proxies

ENVIRON = {"HOME": "/home/someone", "MISTRAL_API_KEY": "key"}
ACCOUNT = '[[accounts]]\nname = "a"\napi_key = { env = "MISTRAL_API_KEY" }\n'
RECEIVER = '[[receivers]]\nname = "r"\nkind = "slack"\nurl = "https://a"\n'


@pytest.fixture
def loaded(tmp_path):
    """Load a configuration of this text."""

    def of(text):
        file = tmp_path / "tracker.toml"
        file.write_text(text, "utf-8")
        return load(str(file), ENVIRON)

    return of


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("50ms", 0.05),
        ("500ms", 0.5),
        ("1.5s", 1.5),
        ("15s", 15),
        ("5m", 300),
        ("2h", 7200),
        ("1d", 86400),
        ("1h30m", 5400),
        ("1m30s500ms", 90.5),
        ("0h60s", 60),
    ],
)
def test_durations(loaded, written, seconds):
    """Durations are read in every unit, and in several together, as seconds."""
    assert loaded(f'{ACCOUNT}poll_interval = "{written}"\n').accounts[0].poll_interval == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ('name = "A.b-c_9"', "name", "A.b-c_9"),
        ('base_url = "http://127.0.0.1:8080/prefix"', "base_url", "http://127.0.0.1:8080/prefix"),
        ('base_url = "https://[::1]:8080"', "base_url", "https://[::1]:8080"),
        ("requests_per_second = 6", "requests_per_second", 6.0),
        ("requests_per_second = 0.001", "requests_per_second", 0.001),
        ('backfill = "0s"', "backfill", 0),
        ('backfill = "3650d"', "backfill", 3650 * 86400),
        ('request_timeout = "10m"', "request_timeout", 600),
        ('stalled_after = "1s"', "stalled_after", 1),
        ('stalled_after = "3650d"', "stalled_after", 3650 * 86400),
        ("results = false", "results", False),
        ("pending_limit = 1", "pending_limit", 1),
        ("pending_limit = 1_000_000_000", "pending_limit", 10**9),
        ("timeout_hours = 0.001", "timeout_hours", 0.001),
        ("timeout_hours = 8784", "timeout_hours", 8784.0),
        ("failed_share = 1", "failed_share", 1.0),
        ("failed_share = 0.001", "failed_share", 0.001),
        ('failed_share = "off"', "failed_share", None),
        ('unreachable_after = "1s"', "unreachable_after", 1),
        ('unreachable_after = "3650d"', "unreachable_after", 3650 * 86400),
    ],
)
def test_account(loaded, line, key, value):
    """Each key of an account is read, at the ends of its range too."""
    text = ACCOUNT.replace('name = "a"\n', "") if key == "name" else ACCOUNT
    assert getattr(loaded(f"{text}{line}\n").accounts[0], key) == value


@pytest.mark.parametrize(
    ("line", "key", "value"),
    [
        ('events = ["batch.*", "account.unreachable"]', "events", ("batch.*", "account.unreachable")),
        ('retry = ["0s", "30d"]', "retry", (0, 30 * 86400)),
        ('hold = "0s"', "hold", 0),
        ('remind_every = "1m"', "remind_every", 60),
        ('rate_limit = "10/s"', "rate_limit", 10),
        ('rate_limit = "600/min"', "rate_limit", 10),
        ('rate_limit = "0.5/m"', "rate_limit", 0.5 / 60),
        ('rate_limit = "1/h"', "rate_limit", 1 / 3600),
        ('hold = "forever"', "hold", math.inf),
        ("match = {}", "match", Match()),
        ('match = { account = "a", metadata = { team = "r*" } }', "match", Match(account="a", metadata={"team": "r*"})),
        ('match = { model = "m-*", endpoint = "/v1/*" }', "match", Match(model="m-*", endpoint="/v1/*")),
    ],
)
def test_receiver(loaded, line, key, value):
    """Each key of a receiver is read."""
    assert getattr(loaded(f"{RECEIVER}{line}\n").receivers[0], key) == value


@pytest.mark.parametrize("value", ["true", "false"])
def test_network(loaded, value):
    """Proxies of the environment are used where the file says so."""
    assert loaded(f"[network]\nuse_environment_proxies = {value}\n").proxies == (Proxies() if value == "true" else None)


def test_many(loaded):
    """There can be several accounts and receivers, an account and a receiver of one name among them."""
    found = loaded(
        "".join(text.replace('name = "', f'name = "{n}') for n in "12" for text in (ACCOUNT, RECEIVER))
        + ACCOUNT.replace('"a"', '"1r"')
    )
    assert [each.name for each in found.accounts] == ["1a", "2a", "1r"]
    assert [each.name for each in found.receivers] == ["1r", "2r"]
