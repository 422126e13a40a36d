"""Owns settings that are valid and yet probably a mistake."""

from collections.abc import Iterator

from tracker.config.model import Config
from tracker.core.queries.names import unknown_account_glob


def implausible_settings(config: Config) -> Iterator[str]:
    """A warning for each."""
    accounts = [account.name for account in config.accounts]
    for index, receiver in enumerate(config.receivers):
        glob = receiver.match.account
        if glob is not None and (wrong := unknown_account_glob(glob, accounts)):
            yield f"receivers[{index}].match.account: {wrong}; receiver {receiver.name} gets nothing of any account"
