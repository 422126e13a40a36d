"""Owns the address of the configured database. It loads nothing else of the daemon, as every command needs it."""

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from tracker.config import Config, Http, Storage, storage_section
from tracker.core.errors.config_error import ConfigError
from tracker.store.address import DatabaseAddress, PostgresAddress, default_segments

if TYPE_CHECKING:
    from tracker.config.secrets.credentials import Learned

_LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")
_EVERYWHERE: Final = ("0.0.0.0", "::")  # noqa: S104 - what is compared with


def database_address(storage: Storage) -> DatabaseAddress:
    """The address of the database that the section names. Raises `ConfigError` where PostgreSQL's driver is not installed."""
    if storage.url is None:
        assert storage.path is not None  # noqa: S101 - a storage without both is a `ConfigError`
        return storage.path
    if find_spec("asyncpg") is None:
        raise ConfigError("storage.url: PostgreSQL needs asyncpg, which is not here: pip install 'batch-tracker[postgres]'")
    listen_url = storage.listen_url.reveal() if storage.listen_url else None
    return PostgresAddress(url=storage.url.reveal(), schema=storage.schema, replica=storage.replica, listen_url=listen_url)


def address_of_replica(config: Config, learned: "Learned") -> DatabaseAddress:
    """The same for a daemon, which tells other replicas where it answers, and outlives a password. Raises `ConfigError`."""
    import socket  # noqa: PLC0415 - as the next line

    from tracker.daemon.password_rotation import RotatedPasswords  # noqa: PLC0415 - only a daemon needs it

    address, storage = database_address(config.storage), config.storage
    if not isinstance(address, PostgresAddress):
        return address
    replaced = RotatedPasswords((url for url in (storage.url, storage.listen_url) if url), learned)
    page = _page(config.http, socket.gethostname())
    return msgspec.structs.replace(address, page=page, latest=replaced.latest if replaced else None)


def _page(http: Http, host_name: str) -> str | None:
    """Where one replica answers, for people and probes that do not go through a load balancer; None on a port of chance."""
    listen = next((each for each in http.listen if each.host not in _LOOPBACK), http.listen[0])
    if not listen.port:
        return None
    host = host_name if listen.host in _EVERYWHERE else f"[{listen.host}]" if ":" in listen.host else listen.host
    return f"http://{host}:{listen.port}{http.base_path}/"


def segments_of(storage: Storage) -> Path | None:
    """The directory that the events of an SQLite file are moved into; None for PostgreSQL, which keeps them all."""
    if storage.url is not None or storage.path is None:
        return None
    return storage.segments or default_segments(storage.path)


def configured_segments(config: str | None) -> Path | None:
    """As `segments_of`, of the configuration `config` or of the default one. Raises `ConfigError`."""
    return segments_of(storage_section(config))


def configured_database(config: str | None) -> DatabaseAddress:
    """The address of the database of the configuration `config`, or of the default one. Raises `ConfigError`."""
    return database_address(storage_section(config))
