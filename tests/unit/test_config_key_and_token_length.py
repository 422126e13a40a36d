"""A key that is too short for its host is refused before anything is sent."""

import pytest

from tracker.config import Account, Config, Http, Secret, Storage
from tracker.config.key_and_token_length import refuse_short_keys
from tracker.core.errors.config_error import ConfigError


def config(*accounts):
    named = [Account(name=f"a{at}", api_key=Secret(key), base_url=url) for at, (key, url) in enumerate(accounts)]
    return Config(source="t.toml", storage=Storage("t.db"), http=Http(), accounts=tuple(named))


@pytest.mark.parametrize(
    "account",
    [
        ("12345678", "https://api.mistral.ai"),
        ("test", "http://127.0.0.1:9000"),
        ("test", "http://127.8.8.8"),
        ("test", "http://[::1]:9000/x"),
        ("test", "http://localhost:9000"),
    ],
    ids=["long enough", "loopback", "loopback network", "IPv6 loopback", "localhost"],
)
def test_key_that_may_be_used(account):
    """Eight characters are enough for any host, and one is for a simulator on this machine."""
    assert refuse_short_keys(config(account)) == config(account)


def test_key_that_is_too_short():
    """Each account with such a key is named, the key is not shown."""
    with pytest.raises(ConfigError) as raised:
        refuse_short_keys(
            config(("test", "https://api.mistral.ai"), ("test", "http://[::1]"), ("1234567", "http://localhost.x"))
        )
    assert str(raised.value) == (
        "t.toml: accounts[0].api_key: found a key of 4 characters (not shown), expected at least 8 for a host that is not "
        "loopback; is it the whole key?\n"
        "t.toml: accounts[2].api_key: found a key of 7 characters (not shown), expected at least 8 for a host that is not "
        "loopback; is it the whole key?"
    )
