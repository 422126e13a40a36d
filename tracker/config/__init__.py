"""The configuration: TOML to frozen values, and every mistake with its line."""

from tracker.config.loading import account_names, database_path, load, receiver_names
from tracker.config.model import Account, Config, Http, Listen, Receiver, Secret, Storage
from tracker.core.deliveries.fan_out import Match

__all__ = [
    "Account",
    "Config",
    "Http",
    "Listen",
    "Match",
    "Receiver",
    "Secret",
    "Storage",
    "account_names",
    "database_path",
    "load",
    "receiver_names",
]
