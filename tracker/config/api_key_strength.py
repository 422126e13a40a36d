"""Owns which API keys and tokens are too short where others than this machine have to do with them."""

from typing import Final
from urllib.parse import urlsplit

from tracker.config.address import is_loopback
from tracker.config.model import Account, Config
from tracker.config.toml_positions import with_lines_of
from tracker.core.errors.config_error import ConfigError

SHORTEST_TOKEN: Final = 16
"""Characters of `http.token`; who can ask without an end guesses fewer."""

SHORTEST_KEY: Final = 8
"""Characters; so few of them are guessed, and are hard to tell from a word of the log."""


def refuse_short_keys(config: Config) -> Config:
    """`config` as it is. Raises `ConfigError` where an account on a host that is not loopback has a key that is too short."""
    mistakes = [
        f"accounts[{index}].api_key: found a key of {len(account.api_key.reveal())} characters (not shown), "
        f"expected at least {SHORTEST_KEY} for a host that is not loopback; is it the whole key?"
        for index, account in enumerate(config.accounts)
        if _is_too_short(account)
    ]
    if mistakes:
        raise ConfigError("\n".join(with_lines_of(config.source, mistakes)))
    return config


def _is_too_short(account: Account) -> bool:
    host = urlsplit(account.base_url).hostname or ""
    return len(account.api_key.reveal()) < SHORTEST_KEY and not is_loopback(host)
