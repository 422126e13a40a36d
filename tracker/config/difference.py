"""Owns what is different in another configuration, by name, and which of it a running daemon cannot take over."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from tracker.config.model import Config

_AS_WRITTEN: Final = {
    "proxies": "network.use_environment_proxies",
}


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What was added, changed and removed, such as "receiver pipeline" or "storage.keep_deliveries"; no value is shown.

    `restart` is what changed and stays as it was until the daemon is started again.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    removed: tuple[str, ...]
    restart: tuple[str, ...]


def taken_over(old: Config, new: Config) -> tuple[Config, Difference]:
    """What a daemon that runs by `old` runs by once it has taken `new` over as far as it can, and what is different then."""
    in_force = msgspec.structs.replace(new, storage=msgspec.structs.replace(new.storage, path=old.storage.path), http=old.http)
    before, after, wanted = _named(old), _named(in_force), _named(new)
    difference = Difference(
        added=tuple(name for name in after if name not in before),
        changed=tuple(name for name in after if name in before and after[name] != before[name]),
        removed=tuple(name for name in before if name not in after),
        restart=tuple(name for name in wanted if wanted[name] != after.get(name)),
    )
    return in_force, difference


def _named(config: Config) -> dict[str, list[Any]]:
    named: dict[str, list[Any]] = {}
    for name, value in _values(config):
        named.setdefault(_AS_WRITTEN.get(name, name), []).append(value)
    return named


def _values(config: Config) -> Iterator[tuple[str, Any]]:
    """Each account and each receiver by its name, everything else by its key."""
    for key in config.__struct_fields__:
        value = getattr(config, key)
        if isinstance(value, tuple):
            yield from ((f"{key.removesuffix('s')} {each.name}", each) for each in value)
        elif isinstance(value, msgspec.Struct) and key not in _AS_WRITTEN:
            yield from ((f"{key}.{field}", getattr(value, field)) for field in value.__struct_fields__)
        elif key != "source":
            yield key, value
