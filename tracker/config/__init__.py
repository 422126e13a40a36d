"""The configuration: TOML to frozen values, and every mistake with its line."""

from tracker.config.model import Account, Config, Http, Listen, Receiver, ResultsAccess, ResultsConfig, Storage
from tracker.config.partial_loading import (
    account_failed_shares,
    account_names,
    account_providers,
    receiver_kinds,
    receiver_names,
    storage_section,
)
from tracker.config.secrets.secret import Secret
from tracker.core.deliveries.fan_out import Match

__all__ = [
    "Account",
    "Config",
    "Http",
    "Listen",
    "Match",
    "Receiver",
    "ResultsAccess",
    "ResultsConfig",
    "Secret",
    "Storage",
    "account_failed_shares",
    "account_names",
    "account_providers",
    "receiver_kinds",
    "receiver_names",
    "storage_section",
]
