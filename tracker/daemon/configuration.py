"""Owns loading the configuration with every kind of receiver that there is."""

import os
from collections.abc import Mapping

from tracker import config
from tracker.config import Config
from tracker.delivery.notifiers.registry import RECEIVER_KINDS


def load(explicit: str | None, environ: Mapping[str, str] = os.environ) -> Config:  # noqa: TID251 - for the package config
    """The configuration, as `tracker.config.load` finds and reads it. Raises `ConfigError`."""
    return config.load(explicit, RECEIVER_KINDS, environ)
