"""Owns loading the configuration with every kind of receiver and every vendor that there is."""

import os
from collections.abc import Mapping

from tracker.config import Config, loading
from tracker.core.errors.config_error import ConfigError
from tracker.daemon.database_address import database_address
from tracker.delivery.notifiers.kind_registry import RECEIVER_KINDS
from tracker.providers.vendor_registry import VENDORS
from tracker.results.locations.location import LocationError
from tracker.results.locations.location_factory import open_location


def load(explicit: str | None, environ: Mapping[str, str] = os.environ) -> Config:  # noqa: TID251 - for the package config
    """The configuration, as `tracker.config.loading.load` finds and reads it. Raises `ConfigError`.

    So it does where the database or the archive cannot be used for want of an extra. Nothing is asked of either.
    """
    loaded = loading.load(explicit, RECEIVER_KINDS, VENDORS, environ)
    database_address(loaded.storage)
    if loaded.results.archive:
        try:
            open_location(loaded.results.archive, loaded.storage.spool)
        except LocationError as error:
            raise ConfigError(f"results.archive: {error}") from error
    return loaded
