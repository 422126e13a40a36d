"""The configuration: TOML to frozen values, and every mistake with its line."""

from tracker.config.loading import (
    account_failed_shares,
    account_names,
    account_providers,
    load,
    receiver_kinds,
    receiver_names,
    results_access,
    storage_section,
)
from tracker.config.model import Account, Config, Http, Listen, Receiver, ResultsAccess, ResultsConfig, Storage
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
    "load",
    "receiver_kinds",
    "receiver_names",
    "results_access",
    "storage_section",
]
