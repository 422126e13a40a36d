"""Owns the minimum length of API keys and tokens that are used beyond this machine."""

from typing import Final
from urllib.parse import urlsplit

from tracker.config.http_listen_addresses import is_loopback
from tracker.config.model import Account, Config
from tracker.config.toml.toml_positions import with_lines_of
from tracker.core.errors.config_error import ConfigError

MIN_TOKEN_LENGTH: Final = 16
"""Characters of `http.token`; a shorter one can be guessed by trying."""

MIN_KEY_LENGTH: Final = 8
"""Characters; a shorter key can be guessed, and looks like a word in the log."""


def refuse_short_keys(config: Config) -> Config:
    """Return `config`. Raises `ConfigError` if an account on a host that is not loopback has too short a key."""
    mistakes = [
        f"accounts[{index}].api_key: found a key of {len(account.api_key.reveal())} characters (not shown), "
        f"expected at least {MIN_KEY_LENGTH} for a host that is not loopback; is it the whole key?"
        for index, account in enumerate(config.accounts)
        if _is_too_short(account)
    ]
    if mistakes:
        raise ConfigError("\n".join(with_lines_of(config.source, mistakes)))
    return config


def _is_too_short(account: Account) -> bool:
    host = urlsplit(account.base_url).hostname or ""
    return 0 < len(account.api_key.reveal()) < MIN_KEY_LENGTH and not is_loopback(host)
