"""Owns settings that are valid and yet probably a mistake."""

import math
from collections.abc import Iterator

from tracker.config.model import Config, Receiver
from tracker.core.deliveries.fan_out import matches_type
from tracker.core.deliveries.reminders import REMINDED_TYPES
from tracker.core.queries.name_suggestions import unknown_account_glob


def implausible_settings(config: Config) -> Iterator[str]:
    """A warning for each."""
    accounts = [account.name for account in config.accounts]
    yield from _of_results(config, accounts)
    for index, receiver in enumerate(config.receivers):
        yield from _of_reminders(index, receiver)
        glob = receiver.match.account
        if glob is not None and (wrong := unknown_account_glob(glob, accounts)):
            yield f"receivers[{index}].match.account: {wrong}; receiver {receiver.name} gets nothing of any account"


def _of_reminders(index: int, receiver: Receiver) -> Iterator[str]:
    if math.isfinite(receiver.remind_every) and not any(matches_type(each, receiver.events) for each in REMINDED_TYPES):
        yield f"receivers[{index}].remind_every: no event in `events` has reminders; {', '.join(REMINDED_TYPES)} have"


def _of_results(config: Config, accounts: list[str]) -> Iterator[str]:
    if config.results.archive:
        for index, glob in enumerate(config.results.accounts):
            if wrong := unknown_account_glob(glob, accounts):
                yield f"results.accounts[{index}]: {wrong}"
    elif config.prices:
        yield "prices: no cost is computed without results.archive, as usage is read while results are archived"
