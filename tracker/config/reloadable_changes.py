"""Owns the difference between two configurations, by name, and which part of it needs a restart."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tracker.config.model import Config
from tracker.config.postgres_urls import is_same_but_for_passwords
from tracker.config.secrets.secret import Secret

_CONFIGURATION_KEYS: Final = {
    "proxies": "network.use_environment_proxies",
}

_SINGULAR: Final = {"accounts": "account", "receivers": "receiver", "maintenance": "maintenance window"}


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What was added, changed and removed, such as "receiver pipeline" or "storage.keep_deliveries"; no value is shown.

    `restart` is what changed and takes effect only after a restart of the daemon.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    restart: tuple[str, ...]


def apply_changes(old: Config, new: Config) -> tuple[Config, Difference]:
    """The configuration of a daemon that runs with `old` and reloads `new`, as far as it can, and what is different then."""
    urls = {key: _with_new_password(getattr(old.storage, key), getattr(new.storage, key)) for key in ("url", "listen_url")}
    durations = {key: getattr(new.storage, key) for key in ("keep_deliveries", "keep_events", "progress_every")}
    storage = msgspec.structs.replace(old.storage, **durations, **urls)
    in_force = msgspec.structs.replace(new, storage=storage, http=old.http, telemetry=old.telemetry)
    before, after, wanted = _named(old), _named(in_force), _named(new)
    difference = Difference(
        added=tuple(name for name in after if name not in before),
        changed=tuple(name for name in after if name in before and after[name] != before[name]),
        removed=tuple(name for name in before if name not in after),
        restart=tuple(name for name in wanted if wanted[name] != after.get(name)),
    )
    return in_force, difference


def _with_new_password(old: Secret | None, new: Secret | None) -> Secret | None:
    """The URL of the database: `new` where only the password of one from a file is another, which connections use anyway."""
    if old and new and new.reread and is_same_but_for_passwords(old.reveal(), new.reveal()):
        return new
    return old


def _named(config: Config) -> dict[str, list[Any]]:
    named: dict[str, list[Any]] = {}
    for name, value in _values(config):
        named.setdefault(_CONFIGURATION_KEYS.get(name, name), []).append(value)
    return named


def _values(config: Config) -> Iterator[tuple[str, Any]]:
    """Each account, receiver and window by its name, all else by its key, the prices together."""
    for key in config.__struct_fields__:
        value = getattr(config, key)
        if isinstance(value, tuple) and key != "prices":
            yield from ((f"{_SINGULAR.get(key, key)} {each.name}", each) for each in value)
        elif isinstance(value, msgspec.Struct) and key not in _CONFIGURATION_KEYS:
            yield from ((f"{key}.{field}", getattr(value, field)) for field in value.__struct_fields__)
        elif key != "source":
            yield key, value
